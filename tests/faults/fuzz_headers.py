"""Mutates valid headers of every format and lets the readers have them, in this process.

`python tests/faults/fuzz_headers.py [N [SEED]]` runs N mutations (1,000,000 when not given) and reports the rate. A
mutant may be read or refused with an AppError; anything else, or more than 2 seconds of the processor, is a failure,
and the seed and the number of the mutant say how to get it again. What the Rust library itself writes to standard error
is a failure too where `main` runs it.
"""

import json
import os
import random
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gguf_files import as_gguf, random_weights
from model_files import FIXTURES, tiny_model

from core.errors import AppError
from core.inference.config import load_config
from core.inference.embedding_config import embedding_config
from core.inference.embedding_tokenizer import embedding_tokenizer
from core.inference.formats import read_config, read_tokenizer
from core.inference.gguf import GgufFile
from core.inference.gguf_model import check_gguf_tensors, gguf_config
from core.inference.safetensors import TensorFiles
from core.inference.tokenizer import Tokenizer
from core.inference.weights import check_tensors

MAX_SECONDS = 2.0
NUMBERS = (
    b"0",
    b"-1",
    b"1",
    b"65536",
    b"4294967296",
    b"9223372036854775807",
    b"1e999",
    b"NaN",
    b"1" * 500,
    b"0.5",
    b"[]",
)
PIECES = (
    b"[",
    b"]",
    b"{",
    b"}",
    b'"',
    b",",
    b":",
    b"null",
    b"true",
    b"\\u0000",
    b"\xff",
    b"\0",
    b"[" * 50,
    b"..",
    b"/",
)
WORDS = (0, 1, 2, 3, 4, 7, 8, 9, 31, 32, 33, 255, 1 << 15, 1 << 20, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)
LONGS = (*WORDS, 1 << 32, 1 << 40, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 32, (1 << 64) - 1)


@dataclass
class Target:
    """One file of a good model; only its first `n_header` bytes are mutated."""

    name: str
    path: Path
    data: bytes
    n_header: int
    read: Callable[[], object]
    share: int  # of all mutants
    is_text: bool


@dataclass
class Tally:
    """What came of the mutants."""

    n_read: Counter[str] = field(default_factory=Counter)
    n_refused: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0


class MutantError(AssertionError):
    """A mutant that was neither read nor refused as it should."""


def mutated(data: bytes, n_header: int, is_text: bool, chance: random.Random) -> bytes:
    """Return `data` with one to four mutations of its header."""
    first, last = _window(n_header, is_text, chance)
    head = bytearray(data[first:last])
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        chance.choice(_TEXT if is_text else _BINARY)(head, chance)
    mutant = data[:first] + bytes(head) + data[last:]
    return mutant[: chance.randrange(len(data))] if not is_text and chance.random() < 0.05 else mutant


def _window(n_header: int, is_text: bool, chance: random.Random) -> tuple[int, int]:
    """Return the part to mutate: of binary headers mostly the beginning or the end, as vocabularies fill the middle."""
    kind = 2 if is_text else chance.choice((0, 0, 1, 1, 2))
    return ((0, min(700, n_header)), (max(n_header - 1500, 0), n_header), (0, n_header))[kind]


def _at(head: bytearray, chance: random.Random, size: int = 1) -> int:
    return chance.randrange(max(len(head) - size, 1))


def _flip(head: bytearray, chance: random.Random) -> None:
    head[_at(head, chance)] ^= 1 << chance.randrange(8)


def _byte(head: bytearray, chance: random.Random) -> None:
    head[_at(head, chance)] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, 0x22, 0x5B, 0x7B))


def _word(head: bytearray, chance: random.Random) -> None:
    at = _at(head, chance, 4)
    head[at : at + 4] = struct.pack("<I", chance.choice(WORDS))


def _long(head: bytearray, chance: random.Random) -> None:
    at = _at(head, chance, 8)
    head[at : at + 8] = struct.pack("<Q", chance.choice(LONGS))


def _insert(head: bytearray, chance: random.Random) -> None:
    at = _at(head, chance)
    head[at:at] = chance.choice(PIECES)


def _delete(head: bytearray, chance: random.Random) -> None:
    at = _at(head, chance)
    del head[at : at + chance.choice((1, 2, 8, 40))]


def _copy(head: bytearray, chance: random.Random) -> None:
    start, at, n = _at(head, chance), _at(head, chance), chance.choice((4, 8, 16, 60))
    head[at : at + n] = head[start : start + n]


def _swap(head: bytearray, chance: random.Random) -> None:
    one, two = _at(head, chance), _at(head, chance)
    head[one], head[two] = head[two], head[one]


def _number(head: bytearray, chance: random.Random) -> None:
    """Put another number in the place of a JSON number near by."""
    start = _at(head, chance)
    while start < len(head) and not 0x30 <= head[start] <= 0x39:
        start += 1
    end = start
    while end < len(head) and 0x30 <= head[end] <= 0x39:
        end += 1
    head[start:end] = chance.choice(NUMBERS)


_TEXT = (_number, _number, _number, _number, _flip, _byte, _insert, _delete, _copy, _swap)
_BINARY = (_flip, _byte, _word, _long, _word, _long, _insert, _delete, _copy, _swap)


def targets(directory: Path) -> list[Target]:
    """Write the good models below `directory`."""
    found: list[Target] = []

    def add(name: str, path: Path, read: Callable[[], object], share: int, n_header: int | None = None) -> None:
        data = path.read_bytes()
        found.append(Target(name, path, data, n_header or len(data), read, share, path.suffix == ".json"))

    model = tiny_model().write(directory / "model")
    config = load_config(model)
    add("config", model / "config.json", lambda: load_config(model), 20)
    add("generation", model / "generation_config.json", lambda: load_config(model), 5)
    add("tokenizer", model / "tokenizer.json", lambda: Tokenizer.from_directory(model, config), 2)
    tensors = model / "model.safetensors"
    n_header = 8 + int.from_bytes(tensors.read_bytes()[:8], "little")
    add("tensors", tensors, lambda: _read_tensors(model), 35, n_header)
    shards = tiny_model()
    shards.n_shards = 2
    sharded = shards.write(directory / "sharded")
    add("index", sharded / "model.safetensors.index.json", lambda: _read_tensors(sharded), 8)
    weights = random_weights(layers=1, hidden=128, inner=128, heads=2, kv_heads=1)
    files = as_gguf(weights)
    gguf = files.write(directory / "model.gguf")
    add("gguf", gguf, lambda: _read_gguf(gguf), 28, len(files.header()))
    add("gguf-vocabulary", gguf, lambda: _read_vocabulary(gguf), 2, len(files.header()))
    for family in ("gemma3", "qwen3"):
        data = (FIXTURES / f"embedding-{family}" / "model-i2_s.gguf").read_bytes()
        path = directory / f"{family}.gguf"
        path.write_bytes(data)
        n_header = data.index(b"token_embd.weight") + 20_000  # past the descriptions, into the data
        add(family, path, lambda path=path: _read_embedding(path), 2, n_header)  # type: ignore[misc]
    return found


def _read_embedding(path: Path) -> None:
    with GgufFile(path) as file:
        embedding_config(file)
        embedding_tokenizer(file)


def _read_tensors(directory: Path) -> None:
    with TensorFiles(directory) as files:
        check_tensors(files, load_config(directory))


def _read_gguf(path: Path) -> None:
    with GgufFile(path) as file:
        check_gguf_tensors(file, gguf_config(file))


def _read_vocabulary(path: Path) -> None:
    read_config(path)
    read_tokenizer(path)


def run(n: int, seed: int, directory: Path) -> Tally:
    """Give `n` mutants to the readers.

    Raises:
        MutantError: names the mutant.
    """
    tally = Tally()
    for number, target in zip(range(n), _schedule(directory, seed), strict=False):
        chance = random.Random(seed << 32 | number)
        as_text = target.is_text or (target.name == "tensors" and chance.random() < 0.7)
        mutant = mutated(target.data, target.n_header, as_text, chance)
        if target.name == "tensors" and as_text and chance.random() < 0.8:  # the length says where the data begins
            n_header = len(mutant) - len(target.data) + target.n_header - 8
            mutant = n_header.to_bytes(8, "little") + mutant[8:]
        target.path.write_bytes(mutant)
        start = time.process_time()  # not the clock's: this may run beside other work for a long time
        try:
            target.read()
            tally.n_read[target.name] += 1
        except AppError:
            tally.n_refused[target.name] += 1
        except BaseException as exc:
            if isinstance(exc, KeyboardInterrupt):
                raise
            raise MutantError(f"seed {seed}, mutant {number} of {target.name}: {exc!r}") from exc
        finally:
            target.path.write_bytes(target.data)
        seconds = time.process_time() - start
        tally.slowest_s = max(tally.slowest_s, seconds)
        if seconds > MAX_SECONDS:
            raise MutantError(f"seed {seed}, mutant {number} of {target.name} took {seconds:.1f} s")
    return tally


def _schedule(directory: Path, seed: int) -> Iterator[Target]:
    """Yield targets for ever, each as often as its share says."""
    all_of_them = targets(directory)
    order = [target for target in all_of_them for _ in range(target.share)]
    random.Random(seed).shuffle(order)
    while True:
        yield from order


def main() -> None:
    """Run as the command line says and report."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    shared_memory = Path("/dev/shm")
    start = time.perf_counter()
    with (
        tempfile.TemporaryFile() as errors,
        tempfile.TemporaryDirectory(dir=shared_memory if shared_memory.is_dir() else None) as directory,
    ):
        kept = os.dup(2)
        os.dup2(errors.fileno(), 2)
        try:
            tally = run(n, seed, Path(directory))
        finally:
            os.dup2(kept, 2)
            errors.seek(0)
            written = errors.read(100_000)
    seconds = time.perf_counter() - start
    report = {"mutants": n, "seed": seed, "seconds": round(seconds), "per_second": round(n / seconds)}
    print(json.dumps(report | {"read": tally.n_read, "refused": tally.n_refused, "slowest_s": tally.slowest_s}))  # noqa: T201
    if written:
        sys.exit(f"written to standard error: {written[:2000].decode(errors='replace')}")


if __name__ == "__main__":
    main()
