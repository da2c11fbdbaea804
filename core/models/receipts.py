"""What is kept about an imported model: where it came from and the SHA-256 of every file, as a small JSON file.

Knows two kinds: a receipt beside a copy, and a reference, which stands for a model that stays where it is. Neither is
trusted: what cannot be read, or is not what this module writes, counts as absent.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.models.catalogue import CatalogueModel, pinned

RECEIPT_FILE: Final = "receipt.json"
REFERENCE_SUFFIX: Final = ".reference.json"
MAX_BYTES: Final = 1 << 20
MAX_FILES: Final = 1024

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class PinnedFile:
    """A file as it was when it was imported."""

    name: str  # one component
    n_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where a model came from and what its files were."""

    source: Path  # the directory or .gguf file; of a reference: where the model is
    repository: str | None  # "owner/name" on the hub, where that is known
    revision: str | None
    files: tuple[PinnedFile, ...]
    is_embedding: bool = False  # for searching documents, not for answering

    @property
    def n_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.n_bytes for file in self.files)

    def pinned(self, model: CatalogueModel) -> CatalogueModel:
        """Return `model` as it was got when this receipt was written; as it is where the receipt is of another one."""
        if self.revision is None or model.repository is None or self.repository != model.repository:
            return model
        try:
            return pinned(model, self.revision, ((file.name, file.n_bytes, file.sha256) for file in self.files))
        except ValueError:
            return model  # of another revision than the one that is published now

    def encoded(self) -> bytes:
        """Return the content of the JSON file."""
        stored = {
            "source": str(self.source),
            "repository": self.repository,
            "revision": self.revision,
            "is_embedding": self.is_embedding,
            "files": {file.name: {"n_bytes": file.n_bytes, "sha256": file.sha256} for file in self.files},
        }
        return (json.dumps(stored, indent=2) + "\n").encode("utf-8", "surrogatepass")


def receipt_path(directory: Path) -> Path:
    """Return where the receipt of the copy in `directory` is."""
    return directory / RECEIPT_FILE


def reference_path(models: Path, name: str) -> Path:
    """Return where the reference called `name` is."""
    return models / f"{name}{REFERENCE_SUFFIX}"


def read_receipt(path: Path) -> Receipt | None:
    """Return what the file says; None where there is no such file or it is not one of ours."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        return _parsed(json.loads(data.decode("utf-8", "surrogatepass"))) if len(data) <= MAX_BYTES else None
    except (OSError, ValueError, RecursionError, TypeError, KeyError, AttributeError):
        return None


def _parsed(stored: object) -> Receipt:
    if not isinstance(stored, dict) or not isinstance(stored["files"], dict):
        raise TypeError("no receipt")
    files = tuple(_pinned(name, entry) for name, entry in stored["files"].items())
    source, repository, revision = stored["source"], stored["repository"], stored["revision"]
    if not isinstance(source, str) or not files or len(files) > MAX_FILES or "\0" in source:
        raise TypeError("no receipt")
    if not all(isinstance(text, str | None) for text in (repository, revision)):
        raise TypeError("no receipt")
    return Receipt(Path(source), repository, revision, files, stored.get("is_embedding") is True)


def _pinned(name: str, entry: dict[str, object]) -> PinnedFile:
    n_bytes, sha256 = entry["n_bytes"], entry["sha256"]
    if not is_component(name) or type(n_bytes) is not int or n_bytes < 0:
        raise ValueError(name)
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise ValueError(name)
    return PinnedFile(name, n_bytes, sha256)


def is_component(name: str) -> bool:
    """Tell whether `name` is the name of a file and nothing else: it cannot lead out of its directory."""
    return 0 < len(name) <= 255 and name not in (".", "..") and not set(name) & set("/\\:\0")
