"""Measure the search index at 100,000 chunks: building, size, seconds of a query, memory of search.

    python tests/bench/measure_index.py [--chunks 100000] [--keep FOLDER]

The text is made by a seeded generator: words of a made-up language whose frequencies follow Zipf's law, as those of
real text do, in paragraphs and sections. Queries take words out of one paragraph each.
"""

import argparse
import itertools
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "support")]

from index_files import OpenIndex  # noqa: E402

from core.events import CancelToken  # noqa: E402

N_WORDS = 60_000
N_QUERIES = 200
FILE_CHUNKS = 200
CHUNK_WORDS = 110


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def vocabulary(rng: random.Random) -> list[str]:
    """Return made-up words, short ones first as in real languages."""
    syllables = [a + b for a in "bcdfghjklmnprstvwz" for b in ("a", "e", "i", "o", "u", "en", "or", "ist")]
    words: dict[str, None] = {"the": None, "of": None, "and": None, "to": None, "in": None, "is": None}
    while len(words) < N_WORDS:
        words["".join(rng.choices(syllables, k=1 + len(words) // 4000 % 4 + rng.randrange(3)))] = None
    return list(words)


def write_texts(folder: Path, n_chunks: int) -> list[str]:
    """Write files of about n_chunks chunks in all; return queries."""
    rng = random.Random(7)
    words = vocabulary(rng)
    weights = list(itertools.accumulate(1 / (rank + 2.7) for rank in range(len(words))))
    queries = []
    for number in range(max(1, n_chunks // FILE_CHUNKS)):
        paragraphs = []
        for at in range(FILE_CHUNKS):
            if at % 10 == 0:
                paragraphs.append(f"# {' '.join(rng.choices(words, cum_weights=weights, k=4)).title()}")
            paragraph = rng.choices(words, cum_weights=weights, k=CHUNK_WORDS)
            paragraphs.append(" ".join(paragraph).capitalize() + ".")
            if len(queries) < N_QUERIES and at == number % FILE_CHUNKS:
                queries.append(" ".join(rng.sample(paragraph, 7)))
        (folder / f"{number:05}.md").write_text("\n\n".join(paragraphs) + "\n", encoding="utf-8")
    return queries


def memory_mb() -> float:
    """Return the peak of this process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def build(folder: Path, n_chunks: int) -> None:
    """Make texts and index, and say how large and how fast."""
    texts = folder / "texts"
    texts.mkdir()
    queries = write_texts(texts, n_chunks)
    (folder / "queries.json").write_text(json.dumps(queries), encoding="utf-8")
    began_at = time.perf_counter()
    index = OpenIndex(folder / "index.db")
    index.add("Papers", texts)
    seconds = time.perf_counter() - began_at
    with index.database.read() as connection:
        n_chars, n_found = connection.execute("SELECT sum(n_chars), sum(n_chunks) FROM texts").fetchone()
    index.close()
    size = (folder / "index.db").stat().st_size
    say(f"{n_found:,} chunks, {n_chars / 1e6:.0f} MB of text: {seconds:.0f} s, {n_chars / seconds / 1e6:.2f} MB/s")
    say(f"index {size / 1e6:.0f} MB, {size / n_chars:.2f} x the text; peak memory of building {memory_mb():.0f} MB")


def search(folder: Path) -> None:
    """Search in a process of its own, so that its memory is that of search alone."""
    index = OpenIndex(folder / "index.db")
    queries = json.loads((folder / "queries.json").read_text(encoding="utf-8"))
    for as_typed in (False, True):
        seconds = []
        cpu_began_at = time.process_time()
        for query in queries:
            typed = query[:-2] if as_typed else query
            began_at = time.perf_counter()
            index.searcher.search(typed, limit=10, as_typed=as_typed, cancel=CancelToken())
            seconds.append(time.perf_counter() - began_at)
        cpu_ms = 1000 * (time.process_time() - cpu_began_at) / len(queries)
        seconds.sort()
        what = "as typed" if as_typed else "question"
        tail = seconds[int(0.95 * len(seconds))]
        median, high = 1000 * statistics.median(seconds), 1000 * tail
        say(f"{what}: median {median:.0f} ms, 95 % below {high:.0f} ms; {cpu_ms:.0f} ms of processor")
    say(f"peak memory of search {memory_mb():.0f} MB")
    index.close()


def main() -> None:
    """Build, then search in a second process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--keep", type=Path, help="make the index in this folder and leave it there")
    parser.add_argument("--search", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.search:
        search(arguments.search)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        build(folder, arguments.chunks)
        subprocess.run([sys.executable, __file__, "--search", str(folder)], check=True)


if __name__ == "__main__":
    main()
