"""Which format a model is in, and one way to read configuration and tokenizer of all of them (weights: model.py).

A path is a directory laid out like microsoft/bitnet-b1.58-2B-4T (safetensors), a .gguf file, or a directory whose only
weights are one .gguf file. Knows which module reads what; must not know what is in the files.
"""

from pathlib import Path

from core.errors import AppError, ErrorCode
from core.inference.config import ModelConfig, load_config
from core.inference.gguf import GgufFile
from core.inference.gguf_model import gguf_config
from core.inference.gguf_tokenizer import gguf_tokenizer
from core.inference.safetensors import INDEX_FILE, SINGLE_FILE
from core.inference.tokenizer import Tokenizer

SUFFIX = ".gguf"


def gguf_path(path: Path) -> Path | None:
    """Return the .gguf file that `path` is or holds; None for a safetensors model and for what is no model.

    Raises:
        AppError: MODEL_UNSUPPORTED when there are several and nothing says which one.
    """
    try:
        if path.suffix.lower() == SUFFIX and not path.is_dir():
            return path
        if any((path / name).exists() for name in (SINGLE_FILE, INDEX_FILE)):
            return None
        found = sorted(entry for entry in path.iterdir() if entry.suffix.lower() == SUFFIX and entry.is_file())
    except (OSError, ValueError):
        return None  # load_config says what is wrong with it
    if len(found) > 1:
        reason = f"{len(found)} .gguf files; name the one that is meant"
        raise AppError(ErrorCode.MODEL_UNSUPPORTED, path=path, reason=reason)
    return found[0] if found else None


def read_config(path: Path) -> ModelConfig:
    """Return the checked configuration of the model at `path`.

    Raises:
        AppError: MODEL_NOT_FOUND, MODEL_INCOMPLETE, MODEL_DAMAGED, MODEL_UNSUPPORTED.
    """
    gguf = gguf_path(path)
    if gguf is None:
        return load_config(path)
    with GgufFile(gguf) as file:
        return gguf_config(file)


def read_tokenizer(path: Path) -> Tokenizer:
    """Return the tokenizer of the model at `path`.

    Raises:
        AppError: MODEL_*, TOKENIZER_*.
    """
    gguf = gguf_path(path)
    if gguf is None:
        return Tokenizer.from_directory(path, load_config(path))
    with GgufFile(gguf) as file:
        return gguf_tokenizer(file, gguf_config(file))


def model_name(path: Path) -> str:
    """Return what to call the model at `path`: the directory's or the file's name."""
    absolute = path.absolute()
    return absolute.stem if absolute.suffix.lower() == SUFFIX and not absolute.is_dir() else absolute.name
