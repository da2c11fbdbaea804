"""Tune and measure the gate "not in your documents" on 100 labelled questions, half of them unanswerable.

    python tests/bench/tune_gate.py

The questions are split at random in two halves, the split is seeded. The threshold is chosen on the first half, where
it tells best (F1 of refusing); precision and recall of refusing are printed for the second half and for all. Without
vectors.
"""

import math
import random
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "support")]

from index_files import OpenIndex  # noqa: E402
from retrieval_sets import labelled_questions, made_up  # noqa: E402

from core.library.index import gate  # noqa: E402

Scored = tuple[float, bool]  # coverage of the best hits, whether the notes answer


def coverages() -> list[Scored]:
    """Return what the gate sees of each question, and its label."""
    with tempfile.TemporaryDirectory() as temporary:
        index = OpenIndex(Path(temporary, "index.db"))
        collections = {}
        questions = labelled_questions()
        for language in dict.fromkeys(question.language for question in questions):
            folder = Path(temporary, language)
            folder.mkdir()
            for name, text in made_up(language).documents.items():
                (folder / name).write_text(text, encoding="utf-8")
            collections[language] = index.add(language, folder)
        found = []
        for question in questions:
            hits = index.search(question.text, limit=3, collections=[collections[question.language]]).hits
            found.append((max((hit.coverage for hit in hits), default=0.0), question.is_answerable))
        index.close()
    return found


def refusal(scored: list[Scored], threshold: float) -> tuple[float, float, float]:
    """Return precision, recall and F1 of refusing what has less coverage than `threshold`."""
    refused = [answerable for coverage, answerable in scored if coverage < threshold]
    n_right = sum(not answerable for answerable in refused)
    precision = n_right / len(refused) if refused else 1.0
    recall = n_right / max(1, sum(not answerable for _, answerable in scored))
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-9)


def main() -> None:
    """Print the threshold and what it does."""
    say = sys.stdout.write
    scored = coverages()
    random.Random(1).shuffle(scored)
    half = len(scored) // 2
    steps = [step / 100 for step in range(5, 100)]
    best_f1 = max(refusal(scored[:half], step)[2] for step in steps)
    good = [step for step in steps if refusal(scored[:half], step)[2] >= best_f1 - 1e-9]
    threshold = good[len(good) // 2]
    current = (math.log(gate.THRESHOLD / (1 - gate.THRESHOLD)) - gate.BIAS) / gate.COVERAGE
    say(f"coverage threshold chosen on the first half: {threshold:.2f} (now in gate.py: {current:.2f})\n")
    for name, part, at in (
        ("first half", scored[:half], threshold), ("second half", scored[half:], threshold),
        ("all, as in gate.py", scored, current),
    ):  # fmt: skip
        precision, recall, f1 = refusal(part, at)
        say(f"{name}: {len(part)} questions, refusal precision {precision:.3f}, recall {recall:.3f}, F1 {f1:.3f}\n")


if __name__ == "__main__":
    main()
