"""Builds the corpus of malformed models: `python tests/faults/malformed.py OUT` writes every case and lists it.

Each case begins as a tiny model that Tern loads (`good`), and has one thing wrong. `says` is a regular expression that
the one line of the refusal must match, so that a case is refused for its own reason and not for another.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support"), str(Path(__file__).parent)]

Make = Callable[[Path], Path]  # writes a model below a new directory and returns what is to be inspected


@dataclass(frozen=True)
class Case:
    """One malformed model."""

    name: str
    make: Make
    says: str = ""


def cases() -> Iterator[Case]:
    """Yield all cases; their names are different."""
    import malformed_gguf
    import malformed_tensors
    import malformed_text

    for module in (malformed_text, malformed_tensors, malformed_gguf):
        yield from module.cases()


def good() -> Iterator[Case]:
    """Yield the models that the cases are made from; these are loaded."""
    import malformed_gguf
    import malformed_tensors

    for module in (malformed_tensors, malformed_gguf):
        yield from module.good()


def build(out: Path) -> list[tuple[Case, Path]]:
    """Write all cases below `out`; return each with the path to inspect."""
    built = []
    for case in cases():
        directory = out / case.name
        directory.mkdir(parents=True)
        built.append((case, case.make(directory)))
    return built


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: malformed.py OUT")
    written = build(Path(sys.argv[1]))
    for case, path in written:
        print(f"{case.name}\t{path}")  # noqa: T201
    print(f"{len(written)} cases", file=sys.stderr)  # noqa: T201
