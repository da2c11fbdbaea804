"""How this program starts a part of itself as a process of its own, from source and frozen alike.

Knows the interpreter, the frozen program and the list of what may be started; must not know what a child does. A frozen
program has no `python -m`: it is started again with a hidden argument, which app/__main__.py hands to run_child().
"""

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

CHILD_ARGUMENT: Final = "--tern-child"
# Nothing else can be started by the argument. Each has `main(argv) -> int`.
CHILD_MODULES: Final = frozenset({"core.models.download_child", "core.library.extract_child", "core.child_check"})
_ROOT: Final = Path(__file__).resolve().parent.parent


def is_frozen() -> bool:
    """True inside a program that PyInstaller made."""
    return bool(getattr(sys, "frozen", False))


def child_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs `module` (one of CHILD_MODULES) as a process of its own."""
    if module not in CHILD_MODULES:
        raise ValueError(module)
    start = [sys.executable, CHILD_ARGUMENT] if is_frozen() else [sys.executable, "-m"]
    return [*start, module, *arguments]


def child_environ(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment for a child: UTF-8 in its pipes, and from source the packages where they are now."""
    changed = {"PYTHONIOENCODING": "utf-8", "PYTHONUTF8": "1"}
    if not is_frozen():
        changed["PYTHONPATH"] = os.pathsep.join(filter(None, (str(_ROOT), environ.get("PYTHONPATH", ""))))
    return {**environ, **changed}


def run_child(argv: Sequence[str]) -> int | None:
    """Run the child that `argv` (without the program's name) asks for; None where it asks for none.

    Exit code 2 for a module that is not in the list.
    """
    if not argv or argv[0] != CHILD_ARGUMENT:
        return None
    if len(argv) < 2 or argv[1] not in CHILD_MODULES:
        return 2
    code: int = importlib.import_module(argv[1]).main(argv[2:])
    return code
