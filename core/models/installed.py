"""Which models are on this computer, and which of them is to answer.

Knows what a model directory and a .gguf file look like from outside; must not read what is in them (core/inference
does).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import AppError, ErrorCode
from core.models.receipts import REFERENCE_SUFFIX, read_receipt, receipt_path


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A model directory or a .gguf file; `name` is the directory's, the file's or the reference's."""

    name: str
    path: Path
    is_starter: bool
    reference: Path | None = None  # the file in `models` that only names this model
    is_embedding: bool = False  # for searching documents: it cannot answer


def is_model_directory(path: Path) -> bool:
    """True for a directory with config.json and at least one file of weights, or with one .gguf file.

    False where it cannot be read.
    """
    try:
        has_tensors = (path / "config.json").is_file() and any(path.glob("*.safetensors"))
        return has_tensors or sum(is_gguf_file(entry) for entry in path.iterdir()) == 1
    except OSError:
        return False


def is_gguf_file(path: Path) -> bool:
    """True for an ordinary file that is called .gguf; false where it cannot be read."""
    try:
        return path.suffix.lower() == ".gguf" and path.is_file()
    except OSError:
        return False


def installed_models(
    models: Path,
    *,
    starter: Path | None = None,
    extra: Path | None = None,
    is_embedding_file: Callable[[Path], bool] = lambda _file: False,
) -> tuple[InstalledModel, ...]:
    """List the starter model, then the models by name; directories that do not exist are passed over.

    `models` is AppPaths.models, `starter` the directory that came with the program, `extra` one that the person
    chose: a model directory itself or one that holds several, as directories or as .gguf files. References count as
    the models that they name. `is_embedding_file` says of a .gguf file that nobody imported what it is for.
    """
    found: list[InstalledModel] = []
    seen: set[Path] = set()
    paths = [*_subdirectories(models), *([] if extra is None else [extra, *_subdirectories(extra)])]
    bare = [*_gguf_files(models), *([] if extra is None or is_model_directory(extra) else _gguf_files(extra))]
    candidates = [_in_directory(path, is_embedding_file) for path in paths]
    candidates += [InstalledModel(path.stem, path, False, None, is_embedding_file(path)) for path in bare]
    candidates += _referenced(models)
    candidates.sort(key=lambda model: (model.name.casefold(), str(model.path)))
    if starter is not None:
        candidates.insert(0, InstalledModel(starter.name, starter, is_starter=True))
    for model in candidates:
        resolved = model.path.resolve()
        if resolved not in seen and (is_model_directory(model.path) or is_gguf_file(model.path)):
            seen.add(resolved)
            found.append(model)
    return tuple(found)


def references(models: Path) -> tuple[InstalledModel, ...]:
    """List all references by name, also those whose model is no longer where it was."""
    return tuple(sorted(_referenced(models), key=lambda model: model.name.casefold()))


def resolve_model(setting: str, installed: Sequence[InstalledModel]) -> InstalledModel:
    """Return the chosen model: `setting` is a path, the name of an installed model, or "" for the starter model.

    A path names a directory or a .gguf file; what is in it is judged when it is loaded.

    Raises:
        AppError: MODEL_NOT_FOUND, or MODEL_NONE_CHOSEN when none is set and there is no starter model.
    """
    if not setting:
        starter = _first(model for model in installed if model.is_starter)
        if starter is None:
            raise AppError(ErrorCode.MODEL_NONE_CHOSEN)
        return starter
    named = _first(model for model in installed if setting in (model.name, str(model.path)))
    if named is not None:
        return named
    path = _path_of(setting)
    if path is None:
        raise AppError(ErrorCode.MODEL_NOT_FOUND, path=setting)
    return InstalledModel(path.name, path, is_starter=False)


def _path_of(setting: str) -> Path | None:
    """Return the directory or .gguf file that `setting` names, absolute; None for neither, or when it is no path."""
    try:
        path = Path(setting).expanduser().absolute()
        return path if path.is_dir() or is_gguf_file(path) else None
    except (OSError, ValueError, RuntimeError):  # too long, a NUL, no home directory
        return None


def _subdirectories(directory: Path) -> list[Path]:
    try:
        return [path for path in directory.iterdir() if path.is_dir() and not path.name.startswith(".")]
    except OSError:
        return []


def _gguf_files(directory: Path) -> list[Path]:
    """Return the .gguf files that lie in `directory` itself."""
    try:
        return [path for path in directory.iterdir() if is_gguf_file(path) and not path.name.startswith(".")]
    except OSError:
        return []


def _in_directory(path: Path, is_embedding_file: Callable[[Path], bool]) -> InstalledModel:
    receipt = read_receipt(receipt_path(path))
    if receipt is not None:
        return InstalledModel(path.name, path, is_starter=False, is_embedding=receipt.is_embedding)
    files = [] if (path / "config.json").is_file() else _gguf_files(path)
    is_embedding = len(files) == 1 and is_embedding_file(files[0])
    return InstalledModel(path.name, path, is_starter=False, is_embedding=is_embedding)


def _referenced(models: Path) -> list[InstalledModel]:
    """Return what the references in `models` name."""
    found: list[InstalledModel] = []
    try:
        paths = [path for path in models.iterdir() if path.name.endswith(REFERENCE_SUFFIX)]
    except OSError:
        return []
    for path in paths:
        receipt, name = read_receipt(path), path.name.removesuffix(REFERENCE_SUFFIX)
        if receipt is not None and receipt.source.is_absolute() and name and not name.startswith("."):
            found.append(InstalledModel(name, receipt.source, False, path, receipt.is_embedding))
    return found


def _first(models: Iterable[InstalledModel]) -> InstalledModel | None:
    return next(iter(models), None)
