"""Measure the search against the bm25s package with stemming, on the sets of retrieval_sets.py, without vectors.

    pip install bm25s; python tests/bench/measure_retrieval.py [--write FOLDER] [NAME...]

With --write each set is written as files and queries.jsonl, for `tern docs add` and `tern docs eval`.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "support")]

from index_files import OpenIndex  # noqa: E402
from retrieval_sets import RetrievalSet, all_sets  # noqa: E402

from core.library.index.evaluation import Figures, measure  # noqa: E402
from core.library.index.languages import STOP_WORDS, detect  # noqa: E402

DEPTH = 10


def ours(given: RetrievalSet) -> Figures:
    """Measure Tern's own search."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "texts")
        write(given, folder)
        index = OpenIndex(Path(temporary, "index.db"))
        index.add("Set", folder)
        results = []
        for query, relevant in given.queries:
            names = [hit.document for hit in index.search(query, limit=40).hits]
            results.append(([[name] for name in list(dict.fromkeys(names))[:DEPTH]], relevant))
        index.close()
    return measure(results)


def theirs(given: RetrievalSet) -> Figures | None:
    """Measure bm25s with Snowball and the same stop words; None where it is not installed."""
    try:
        import bm25s
        import Stemmer
    except ImportError:
        return None
    language = detect(" ".join(given.documents.values())[:20_000])
    stemmer = Stemmer.Stemmer(language) if language in Stemmer.algorithms() else None
    options = {"stopwords": sorted(STOP_WORDS.get(language, ())), "stemmer": stemmer, "show_progress": False}
    names = list(given.documents)
    retriever = bm25s.BM25()
    retriever.index(bm25s.tokenize(list(given.documents.values()), **options), show_progress=False)
    results = []
    for query, relevant in given.queries:
        tokens = bm25s.tokenize([query], **options)
        depth = min(DEPTH, len(names))
        found, scores = retriever.retrieve(tokens, k=depth, show_progress=False)
        ranked = [names[at] for at, score in zip(found[0], scores[0], strict=True) if score > 0]
        results.append(([[name] for name in ranked], relevant))
    return measure(results)


def write(given: RetrievalSet, folder: Path) -> None:
    """Write the documents of a set as files."""
    folder.mkdir(parents=True)
    for name, text in given.documents.items():
        (folder / name).write_text(text, encoding="utf-8")


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="only these sets")
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    say = sys.stdout.write
    say("| set | documents | queries | | recall@1 | recall@3 | recall@5 | MRR@10 | nDCG@10 |\n")
    say(f"{'|---' * 9}|\n")
    for given in all_sets():
        if arguments.names and given.name not in arguments.names:
            continue
        if arguments.write:
            write(given, arguments.write / given.name)
            rows = [json.dumps({"query": query, "relevant": relevant}) for query, relevant in given.queries]
            (arguments.write / f"{given.name}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
            continue
        for who, figures in (("Tern", ours(given)), ("bm25s", theirs(given))):
            if figures is not None:
                numbers = (
                    figures.recall_at_1,
                    figures.recall_at_3,
                    figures.recall_at_5,
                    figures.mrr_at_10,
                    figures.ndcg_at_10,
                )
                values = " | ".join(f"{value:.3f}" for value in numbers)
                say(f"| {given.name} | {len(given.documents)} | {len(given.queries)} | {who} | {values} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
