"""The models that Tern knows by name: where they are published, what their files are, what they need and are good for.

Knows catalogue.json, which is data and is checked like anything that is read; must not know what is on this computer
(installed.py) nor how a model is read. Sizes and hashes that are not known beforehand are None: what is got first is
then pinned in the receipt of the import (receipts.py).
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final

CATALOGUE_FILE: Final = Path(__file__).with_name("catalogue.json")
MAX_FILE_BYTES: Final = 1 << 40

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")  # a repository's part, a file, a directory: safe in any address
_LANGUAGE = re.compile(r"[a-z]{2,3}|multilingual")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_REVISION = re.compile(r"[0-9a-f]{40}")
# Names that Windows takes for devices, whatever their suffix.
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


class ModelKind(StrEnum):
    """What a model is for."""

    CHAT = "chat"
    EMBEDDING = "embedding"  # for searching documents


@dataclass(frozen=True, slots=True)
class CatalogueFile:
    """One published file; None where size or hash are not known beforehand."""

    name: str
    n_bytes: int | None
    sha256: str | None

    def __post_init__(self) -> None:
        _require(is_safe_name(self.name), f"file name {self.name!r}")
        _require(self.n_bytes is None or 0 < self.n_bytes <= MAX_FILE_BYTES, f"{self.name}: size")
        _require(self.sha256 is None or bool(_SHA256.fullmatch(self.sha256)), f"{self.name}: sha256")


@dataclass(frozen=True, slots=True)
class Architecture:
    """The constants of a model; the names are those of config.json."""

    architecture: str
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    vocab_size: int
    tie_word_embeddings: bool

    def __post_init__(self) -> None:
        for name in self.__slots__[1:-1]:
            _require(getattr(self, name) > 0, name)


@dataclass(frozen=True, slots=True)
class CatalogueModel:
    """One model; `repository` is None for the one that comes with Tern, `architecture` where it is not known."""

    name: str  # of the directory that it is kept in
    title: str
    kind: ModelKind
    is_default: bool
    repository: str | None  # "owner/name"
    revision: str | None  # 40 hex digits; None where no published revision is known to be the right one
    files: tuple[CatalogueFile, ...]  # empty where the names are not known
    architecture: Architecture | None
    context_length: int | None
    languages: tuple[str, ...]
    licence: str
    memory_bytes: int  # about what it takes with a context of 4096 tokens, or with its own where that is shorter
    sentence: str

    def __post_init__(self) -> None:
        _require(is_safe_name(self.name), f"name {self.name!r}")
        owner, slash, name = (self.repository or "a/b").partition("/")
        _require(bool(slash) and is_safe_name(owner) and is_safe_name(name), f"repository {self.repository!r}")
        _require(self.revision is None or bool(_REVISION.fullmatch(self.revision)), f"{self.name}: revision")
        _require(len({file.name.casefold() for file in self.files}) == len(self.files), f"{self.name}: a file twice")
        _require(self.context_length is None or self.context_length > 0, f"{self.name}: context_length")
        _require(all(map(_LANGUAGE.fullmatch, self.languages)) and self.languages != (), f"{self.name}: languages")
        _require(self.memory_bytes > 0, f"{self.name}: memory_bytes")
        for text in (self.title, self.licence, self.sentence):
            _require(bool(text) and text.isprintable(), f"{self.name}: {text!r}")

    @property
    def verified_on_first_download(self) -> bool:
        """True where revision, files or hashes are not all known: what is got first is pinned then."""
        known = self.revision is not None and bool(self.files) and all(file.sha256 for file in self.files)
        return self.repository is not None and not known

    @property
    def download_bytes(self) -> int | None:
        """Size of the files together as far as it is known; None when none is."""
        known = [file.n_bytes for file in self.files if file.n_bytes is not None]
        return sum(known) if known else None

    def sha256_of(self, name: str) -> str | None:
        """Return the hash of the published file `name`; None where it is not known."""
        return next((file.sha256 for file in self.files if file.name == name), None)


def pinned(model: CatalogueModel, revision: str, files: Iterable[tuple[str, int, str]]) -> CatalogueModel:
    """Return `model` with everything known: what was not known beforehand is what was got first.

    Args:
        model: an entry of the catalogue.
        revision: the commit that was fetched, 40 hex digits.
        files: name, bytes and SHA-256 of every file that was fetched.

    Raises:
        ValueError: something that was known is otherwise, or what was got is no file, size, hash or commit.
    """
    got = {name: CatalogueFile(name, n_bytes, sha256) for name, n_bytes, sha256 in files}
    _require(model.repository is not None and bool(got), f"{model.name}: nothing to pin")
    _require(model.revision in (None, revision), f"{model.name}: revision {revision!r}")
    for file in model.files:
        found = got.get(file.name)
        if found is None:
            _require(file.sha256 is None, f"{file.name} is missing")
            continue
        _require(file.n_bytes in (None, found.n_bytes), f"{file.name}: {found.n_bytes} bytes")
        _require(file.sha256 in (None, found.sha256), f"{file.name}: SHA-256 {found.sha256}")
    return replace(model, revision=revision, files=tuple(got.values()))


@cache
def catalogue() -> tuple[CatalogueModel, ...]:
    """Return all models, the starter model first; read once.

    Raises:
        ValueError: catalogue.json is not what it must be.
    """
    return parse_catalogue(CATALOGUE_FILE.read_bytes())


def parse_catalogue(data: bytes) -> tuple[CatalogueModel, ...]:
    """Return the models in `data`.

    Raises:
        ValueError: says what is wrong.
    """
    parsed = json.loads(data)
    _require(isinstance(parsed, dict) and isinstance(parsed.get("models"), list), "no list of models")
    try:
        models = tuple(_model(entry) for entry in parsed["models"])
    except (TypeError, AttributeError, KeyError) as exc:
        raise ValueError(f"catalogue: {exc}") from exc
    _require(len({model.name.casefold() for model in models}) == len(models), "two models of one name")
    _require(sum(model.is_default for model in models) == 1, "not exactly one default")
    return models


def default_model(models: Sequence[CatalogueModel] | None = None) -> CatalogueModel:
    """Return the model that is recommended."""
    return next(model for model in (catalogue() if models is None else models) if model.is_default)


def by_repository(repository: str) -> CatalogueModel | None:
    """Return the model that is published as "owner/name"; the hub does not tell letter cases apart."""
    wanted = repository.casefold()
    return next((model for model in catalogue() if (model.repository or "").casefold() == wanted), None)


def by_hashes(sha256: Mapping[str, str]) -> CatalogueModel | None:
    """Return the model one of whose weight files has the hash in `sha256` (file name -> hash), under any name."""
    hashes = set(sha256.values())
    for model in catalogue():
        weights = {file.sha256 for file in model.files if file.name.endswith((".gguf", ".safetensors"))}
        if weights & hashes:
            return model
    return None


def is_safe_name(name: str) -> bool:
    """Tell whether `name` may be part of a path or an address: one component, no tricks on any system."""
    return bool(_NAME.fullmatch(name)) and not _DEVICES.fullmatch(name) and not name.endswith(".")


def _model(entry: dict[str, object]) -> CatalogueModel:
    values = dict(entry)
    files, architecture, languages = values.pop("files"), values.pop("architecture"), values.pop("languages")
    if not isinstance(files, list) or not isinstance(languages, list):
        raise TypeError("files and languages are lists")
    return CatalogueModel(
        **_typed(CatalogueModel, values | {"kind": ModelKind(str(values["kind"]))}),  # type: ignore[arg-type]
        files=tuple(CatalogueFile(**_typed(CatalogueFile, file)) for file in files),  # type: ignore[arg-type]
        architecture=None if architecture is None else Architecture(**_typed(Architecture, architecture)),  # type: ignore[arg-type]
        languages=tuple(str(language) for language in languages),
    )


def _typed(kind: type, values: object) -> dict[str, object]:
    """Return `values` where each is of the type that the dataclass `kind` declares for it."""
    if not isinstance(values, dict):
        raise TypeError("not an object")
    for key, value in values.items():
        declared = kind.__annotations__[key]
        if not isinstance(value, declared) or (isinstance(value, bool) and declared is not bool):
            raise TypeError(f"{key} is {value!r}")
    return values


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise ValueError(f"catalogue: {what}")
