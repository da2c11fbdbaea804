"""The process that test_index_kill.py kills: it brings an index up to date until it dies or is done.

    python index_kill_child.py INDEX FOLDER

Prints "ready" before it begins and "done" when all is read.
"""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "support")]

from index_files import OpenIndex  # noqa: E402


def main() -> None:
    """Index the folder."""
    index_path, folder = Path(sys.argv[1]), Path(sys.argv[2])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    index = OpenIndex(index_path)
    if not index.collections.all():
        index.collections.create("Papers")
    collection = index.collections.all()[0]
    if not collection.sources:
        index.collections.add(collection.id, [folder])
    index.update()
    index.close()
    sys.stdout.write("done\n")


if __name__ == "__main__":
    main()
