"""From the arguments of `tern` to a window or a terminal command, and from every failure to an exit code.

Knows the commands by name and imports one only when it is asked for: starting must stay fast, and the terminal must
work where Qt cannot be loaded.
"""

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from app.commands.options import build_parser, check
from app.commands.output import Output, OutputClosed
from app.commands.problems import (
    EXIT_BAD_INPUT,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_OUTPUT_CLOSED,
    EXIT_UNEXPECTED,
    UsageError,
    log_unexpected,
)
from app.notices import one_line
from core.errors import AppError
from core.paths import DATA_DIR_VARIABLE, AppPaths, resolve

COMMANDS: Final = ("chat", "ask", "score", "inspect", "bench", "chats", "models", "docs")


def run(argv: Sequence[str]) -> int:
    """Do what the command line asks for and return the exit code; nothing is raised."""
    out = Output()
    paths = resolve()
    try:
        arguments = build_parser().parse_args(argv)
        check(arguments)
        if arguments.self_test:
            return _self_test(arguments, out)
        paths = resolve(arguments.data_dir)
        return _command(arguments, paths, out) if arguments.command else _window(paths, out, arguments.open)
    except SystemExit as end:  # --help and --version
        return end.code if isinstance(end.code, int) else EXIT_OK
    except BaseException as error:
        return _ended_by(error, paths, out)
    finally:
        out.write("")  # flushes; a reader that has gone is no error here


def run_window_only(argv: Sequence[str]) -> int:
    """Open the window, as `tern-gui` does: there may be no terminal to fall back to."""
    out = Output()
    paths = resolve()
    try:
        arguments = build_parser().parse_args(argv)
        if arguments.self_test:
            return _self_test(arguments, out)
        if arguments.command:
            raise UsageError(f"tern-gui opens the window; for the terminal use: tern {arguments.command}")
        paths = resolve(arguments.data_dir)
        problem = _no_window()
        if problem:
            raise UsageError(f"{problem}; use: tern chat")
        return _run_window(paths, arguments.open)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else EXIT_OK
    except BaseException as error:
        return _ended_by(error, paths, out)


def has_screen(environ: Mapping[str, str], platform: str) -> bool:
    """Tell whether a window can be shown: elsewhere than on Linux there is always a screen."""
    if not platform.startswith("linux"):
        return True
    return any(environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))


def _self_test(arguments: argparse.Namespace, out: Output) -> int:
    if arguments.command:
        raise UsageError(f"--self-test goes without {arguments.command}")
    code: int = importlib.import_module("app.selftest").run(out)
    out.check_open()
    return code


def _command(arguments: argparse.Namespace, paths: AppPaths, out: Output) -> int:
    assert arguments.command in COMMANDS
    if arguments.data_dir is not None or os.environ.get(DATA_DIR_VARIABLE):
        paths.create()  # who names a directory wants to know at once that it cannot be used
    module = importlib.import_module(f"app.commands.{arguments.command}")
    code: int = module.run(arguments, paths, out)
    out.check_open()
    return code


def _window(paths: AppPaths, out: Output, files: Sequence[Path]) -> int:
    problem = _no_window()
    if not problem:
        return _run_window(paths, files)
    if files:
        raise UsageError(f"{problem}; use: tern ask --document FILE")
    out.note(f"tern: {problem}; this is the terminal chat (tern --help for more)")
    arguments = build_parser().parse_args(["chat"])
    arguments.data_dir = paths.data
    arguments.shows_sample = True  # where nothing is typed and nothing is piped in
    return _command(arguments, paths, out)


def _no_window() -> str:
    """Return why no window can be opened here, or an empty string."""
    if not has_screen(os.environ, sys.platform):
        return "there is no screen for the window"
    try:
        importlib.import_module("PySide6.QtWidgets")
    except ImportError as error:  # a library of the system is missing
        return f"the window cannot be opened ({error})"
    return ""


def _run_window(paths: AppPaths, files: Sequence[Path]) -> int:
    """Open the window; Ctrl-C in the terminal closes it as its own button would, so that everything is saved."""
    from PySide6.QtWidgets import QApplication

    from app.window import run_window

    interrupts: list[int] = []

    def on_interrupt(number: int, _frame: object) -> None:
        interrupts.append(number)
        QApplication.closeAllWindows()
        QApplication.quit()

    previous = signal.signal(signal.SIGINT, on_interrupt)
    try:
        code = run_window(paths, files=files)
    finally:
        signal.signal(signal.SIGINT, previous)
    return EXIT_INTERRUPTED if interrupts else code


def _ended_by(error: BaseException, paths: AppPaths, out: Output) -> int:
    """Tell the person in one line what ended the command, and return the exit code."""
    match error:
        case UsageError():
            out.note(f"tern: {error}")
            return EXIT_BAD_INPUT
        case AppError():
            out.note(f"tern: {one_line(error)}")
            return EXIT_BAD_INPUT
        case KeyboardInterrupt():
            out.wipe_status()
            return EXIT_INTERRUPTED
        case OutputClosed() | BrokenPipeError():  # the second one from argparse, which writes help by itself
            return EXIT_OUTPUT_CLOSED
        case _:
            where = f"details are in {paths.logs}" if log_unexpected(error, paths) else "nothing could be logged"
            out.note(f"tern: a mistake of Tern itself ended this ({type(error).__name__}); {where}")
            return EXIT_UNEXPECTED
