"""Inspects and loads many models in one process with little memory: `inspect_all.py PATHS_FILE EXTRA_BYTES`.

The file holds a path a line. One JSON line is written before each, so that it is known which one ended the process, and
one after it. Beyond what the process needed for the first model, which must be sound, it gets EXTRA_BYTES (Linux).
"""

import contextlib
import io
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from app.__main__ import main
from core.errors import AppError
from core.events import CancelToken
from core.inference.engine import open_engine


def look(path: str) -> dict[str, object]:
    """Return how `tern inspect` ended, and what came of loading."""
    out, err = io.StringIO(), io.StringIO()
    start = time.perf_counter()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["inspect", path])
    seconds = time.perf_counter() - start
    return {"code": code, "out": out.getvalue(), "err": err.getvalue(), "seconds": seconds, "loading": load(path)}


def load(path: str) -> str:
    """Return what comes of opening it for a chat: "opened", "refused", or the exception that nobody expects."""
    try:
        open_engine(
            Path(path), context_length=64, n_threads=1, kernels=None, cancel=CancelToken(), emit=lambda _event: None
        ).close()
    except AppError:
        return "refused"
    except Exception as exc:
        return repr(exc)
    return "opened"


def limit_memory(extra_bytes: int) -> None:
    """Let the address space of this process grow by no more than `extra_bytes`."""
    if sys.platform == "linux":
        import resource

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        limit = pages * resource.getpagesize() + extra_bytes
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    for number, path in enumerate(Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()):
        print(json.dumps({"number": number}), flush=True)  # noqa: T201
        print(json.dumps({"number": number, **look(path)}), flush=True)  # noqa: T201
        if number == 0:
            limit_memory(int(sys.argv[2]))
