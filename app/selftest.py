"""`tern --self-test`: whether this copy of Tern works on this computer, told line by line.

Knows what must work wherever Tern is installed, the frozen program first; must not know how any of it is done. It
works on a directory of its own that is removed at the end: history and settings of the person are never opened.
"""

import faulthandler
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app import selftest_network, wiring
from app.commands.output import Output
from app.notices import one_line
from core.errors import AppError
from core.events import CancelToken
from core.paths import AppPaths
from core.settings import Settings

EXIT_FAILED: Final = 1
_CHILD_LIMIT_S: Final = 60
LIMIT_S: Final = 120  # a check that never ends must not keep a build machine waiting
GOLDEN_FILE: Final = wiring.STARTER_DIR.parent / "selftest.json"  # written by packaging/pin_starter.py


class CheckError(Exception):
    """A check found something wrong; the message is for the report."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report; `run` gets an empty directory, returns what was seen and raises where it is wrong."""

    name: str
    run: Callable[[Path], str]


def run(out: Output) -> int:
    """Run every check, also after one failed, and return the exit code: 0 or EXIT_FAILED."""
    watch = selftest_network.watch_sockets()
    checks = (
        Check("kernels", _check_kernels),
        Check("starter model", _check_starter),
        Check("history", _check_history),
        Check("children", _check_children),
        Check("documents", _check_documents),
        Check("window", _check_window),
        Check("network", lambda _directory: _check_network(watch)),
    )
    out.line(f"Tern {wiring.version()} self-test: {_place()}")
    with _time_limit():
        return report(checks, out)


def report(checks: tuple[Check, ...], out: Output) -> int:
    """Run `checks` in order with one line for each, and say at the end whether all is well."""
    started = time.monotonic()
    n_failed = 0
    for check in checks:
        begun = time.monotonic()
        try:
            with tempfile.TemporaryDirectory(prefix="tern-self-test-", ignore_cleanup_errors=True) as directory:
                words, is_ok = check.run(Path(directory)), True
        except CheckError as failure:
            words, is_ok = str(failure), False
        except AppError as error:
            words, is_ok = one_line(error), False
        except Exception as error:  # whatever it is: it belongs into the report, and the next check still runs
            words, is_ok = f"a mistake of Tern itself ({type(error).__name__}: {error})", False
        n_failed += not is_ok
        out.line(f"{'ok    ' if is_ok else 'FAILED'} {check.name:<14} {words} ({time.monotonic() - begun:.1f} s)")
    verdict = "all is well" if not n_failed else f"{n_failed} of {len(checks)} checks failed"
    out.line(f"{verdict}, after {time.monotonic() - started:.1f} s")
    return EXIT_FAILED if n_failed else 0


class _time_limit:  # noqa: N801 (used like a function)
    """Ends the process with EXIT_FAILED after LIMIT_S; the line of the check that hangs is then the one missing."""

    def __enter__(self) -> None:
        self._nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 (closed in __exit__)
        faulthandler.dump_traceback_later(LIMIT_S, exit=True, file=self._nowhere)

    def __exit__(self, *_exc: object) -> None:
        faulthandler.cancel_dump_traceback_later()
        self._nowhere.close()


def _place() -> str:
    kind = "installed program" if getattr(sys, "frozen", False) else "source"
    return f"{kind}, {platform.system()} {platform.release()} {platform.machine()}, Python {platform.python_version()}"


def _check_kernels(_directory: Path) -> str:
    from core.inference.kernel_check import check_kernels

    found = check_kernels()
    if found.problems:
        raise CheckError("; ".join(found.problems))
    return f"{', '.join(found.kernel_sets)} compute what the reference computes"


def _check_starter(_directory: Path) -> str:
    from core.inference.golden import ask_greedily, read_golden

    golden = read_golden(GOLDEN_FILE)
    settings = Settings()
    engine = wiring.open_model(wiring.STARTER_DIR, settings, CancelToken(), lambda _event: None)
    try:
        answer = ask_greedily(engine, golden)
    finally:
        engine.close()
    if answer.token_ids != golden.token_ids or answer.text != golden.text:
        raise CheckError(f"answered {answer.text!r} instead of {golden.text!r}")
    return f"answers as it should: {answer.text.splitlines()[0][:60]!r}"


def _check_history(directory: Path) -> str:
    from core.store.chats import MessageState

    paths = AppPaths(directory / "Größe 数据")  # user names are not ASCII everywhere
    said, answered = "Is anything lost? No: 🐦", "Nothing is."
    services = wiring.build_services(paths)
    chat = services.store.create_chat("Self-test")
    services.store.add_prompt(chat, said)
    reply = services.store.begin_reply(chat, "starter")
    services.store.finish_reply(reply, answered, MessageState.DONE, None)
    services.close()
    services = wiring.build_services(paths)
    try:
        found = [(message.text, message.state) for message in services.store.messages(chat)]
    finally:
        services.close()
    if found != [(said, MessageState.DONE), (answered, MessageState.DONE)]:
        raise CheckError(f"what was read is not what was written: {found}")
    return "what was written is read again"


def _check_children(directory: Path) -> str:
    from core.child import child_command, child_environ
    from core.child_check import SAID

    # The hidden window: a child of the windowed program on Windows must not open a console of its own.
    flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    done = subprocess.run(
        child_command("core.child_check"),
        cwd=directory,
        env=child_environ(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=_CHILD_LIMIT_S,
        creationflags=flags,
        check=False,
    )
    if done.returncode or not done.stdout.startswith(SAID):
        last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise CheckError(f"a child process ended with {done.returncode} and said {last!r}")
    return done.stdout.strip()


def _check_documents(directory: Path) -> str:
    """Read one file by each of the larger libraries that do it, in the confined child."""
    files = {"page.html": b"<p>The key is under the <b>third</b> stone.</p>", "page.pdf": _small_pdf("The third stone")}
    extractor = wiring.build_extractor(AppPaths(directory))
    try:
        for name, content in files.items():
            (directory / name).write_bytes(content)
            text = extractor.extract(directory / name, CancelToken(), lambda _event: None).text
            if "third" not in text or "stone" not in text:
                raise CheckError(f"read {text[:60]!r} in {name}")
    finally:
        extractor.close()
    return "HTML and PDF are read in a confined child process"


def _small_pdf(text: str) -> bytes:
    """Return a PDF file of one page with one line of ASCII `text`."""
    drawing = f"BT /F1 24 Tf 72 700 Td ({text}) Tj ET".encode("ascii")
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(drawing), drawing),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )
    file, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(file))
        file += b"%d 0 obj%s endobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    tail = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(file))
    return file + head + table + tail


def _check_window(directory: Path) -> str:
    from app.selftest_window import NotShownError, show_window

    try:
        return show_window(directory)
    except NotShownError as problem:
        raise CheckError(str(problem)) from problem


def _check_network(watch: selftest_network.SocketWatch) -> str:
    opened = watch.opened()
    if opened:
        raise CheckError(f"opened: {', '.join(opened)}")
    return f"no socket was opened ({watch.means})"
