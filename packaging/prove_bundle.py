#!/usr/bin/env python3
"""Prove on Linux that the built program works where nothing else is.

usage: python3 packaging/prove_bundle.py [--figures] [--bundle-only]

Takes the archives that packaging/build.py made, unpacks them in folders of their own, and starts the program there as
another user, without Python, without a network, with a read-only program folder and, for the window, on a virtual
screen (Xvfb): it tests itself, chats with the starter model, takes a document, and quits. Needs root (to become
another user and to take the network away) and dpkg-deb; what is missing is said. --figures measures as well;
--bundle-only takes a copy of the folder instead of the archives.
"""

from __future__ import annotations

import argparse
import json
import os
import pwd
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import dev
from build import ROOT, WORK, machine_name, version

USER = "nobody"
LARGEST_BUNDLE = 200_000_000
LARGEST_ARCHIVE = 90_000_000
QUESTION = "What is Tern?"
STEP_LIMIT_S = 90


class ProofError(Exception):
    """Something does not hold; the message says what was expected and what was found."""


@dataclass(frozen=True)
class Place:
    """A program folder and a home of its own."""

    program: Path
    home: Path

    def environ(self, **more: str) -> dict[str, str]:
        """Return an environment that knows nothing of this computer's Python."""
        plain = {
            "HOME": str(self.home),
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "XDG_RUNTIME_DIR": str(self.home),
        }
        return plain | more


def expect(condition: object, words: str) -> None:
    """Raise ProofError with `words` unless `condition` holds."""
    if not condition:
        raise ProofError(words)


def isolated(command: Sequence[str]) -> list[str]:
    """Return a command that runs as USER, with no network (not even a loopback) and with every Python hidden."""
    hidden = [*Path("/usr/lib").glob("python3*"), *Path("/usr/local/lib").glob("python3*"), ROOT, _python_prefix()]
    places = sorted({str(place) for place in hidden if place.is_dir()})
    hide = f'for place in {shlex.join(places)}; do mount -t tmpfs none "$place"; done; exec "$@"'
    become = [_tool("setpriv"), f"--reuid={USER}", "--regid=nogroup", "--clear-groups", "--"]
    return [_tool("unshare"), "--net", "--mount", "--", "/bin/sh", "-c", hide, "sh", *become, *command]


def _tool(name: str) -> str:
    found = shutil.which(name)
    expect(found, f"{name} is missing")
    return str(found)


def _python_prefix() -> Path:
    """Return where the Python that froze the program is installed."""
    settings = (WORK / "frozen/pyvenv.cfg").read_text("utf-8")
    return Path(settings.partition("home = ")[2].splitlines()[0]).parent


def run(place: Place, *arguments: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the program as another user without a network; its working directory is its home."""
    return subprocess.run(
        isolated([str(place.program), *arguments]),
        cwd=place.home,
        env=place.environ(**environ),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=STEP_LIMIT_S,
        check=False,
    )


def make_home(folder: Path, name: str) -> Path:
    """Return an empty home that USER may write; its name is not ASCII."""
    home = folder / f"{name} Größe 数据"
    home.mkdir()
    user = pwd.getpwnam(USER)
    os.chown(home, user.pw_uid, user.pw_gid)
    return home


def copy_bundle(folder: Path, output: Path) -> dict[str, Place]:
    """Copy the folder as it was built, readable for all and writable for nobody but root."""
    folder.chmod(0o755)
    shutil.copytree(output / "Tern", folder / "copy", symlinks=True)
    return {"folder": Place(folder / "copy/tern", make_home(folder, "folder"))}


def unpack(folder: Path, output: Path) -> dict[str, Place]:
    """Unpack both archives, readable for all and writable for nobody but root."""
    folder.chmod(0o755)
    name = f"tern-{version()}-linux-{machine_name(os.uname().machine)}"
    with tarfile.open(output / f"{name}.tar.gz") as archive:
        archive.extractall(folder / "from tar", filter="data")
    debian = {"x86_64": "amd64"}.get(machine_name(os.uname().machine), "arm64")
    subprocess.run(
        ["dpkg-deb", "-x", str(output / f"tern_{version()}_{debian}.deb"), str(folder / "from deb")], check=True
    )
    return {
        "tar.gz": Place(folder / "from tar" / name / "tern", make_home(folder, "tar")),
        "deb": Place(folder / "from deb" / "usr/bin/tern", make_home(folder, "deb")),
    }


def prove_terminal(place: Place) -> None:
    """The program tells its version, tests itself, answers, reads a document, and leaves its own folder alone."""
    before = _listing(place.program.resolve().parent)
    done = run(place, "--version")
    expect(done.stdout.strip() == f"tern {version()}", f"--version said {done.stdout!r} {done.stderr!r}")
    done = run(place, "--self-test")
    expect(done.returncode == 0, f"the self-test failed:\n{done.stdout}{done.stderr}")
    print(done.stdout.rstrip())
    expect("installed program" in done.stdout, "the self-test did not run in the frozen program")
    golden = json.loads((ROOT / "assets" / "selftest.json").read_text("utf-8"))
    done = run(place, "ask", "--greedy", "--max-tokens", str(golden["max_tokens"]), golden["prompt"])
    expect(done.stdout.strip() == golden["text"].strip(), f"ask answered {done.stdout!r} {done.stderr!r}")
    document = place.home / "Mietvertrag.txt"
    document.write_text("The notice period is three months. The rent is 700 euros.\n", "utf-8")
    done = run(place, "ask", "--greedy", "--json", "--document", str(document), "How long is the notice period?")
    expect(done.returncode == 0 and "three months" in done.stdout, f"the document was not read: {done.stdout}")
    done = run(place, "chat", stdin="What is Tern?\n")
    expect(done.returncode == 0 and done.stdout.strip(), f"chat ended with {done.returncode}: {done.stderr}")
    saved = place.home / ".local/share/Tern/history.sqlite3"
    expect(_messages(saved), "the chat was not saved in the user's own folder")
    expect(_listing(place.program.resolve().parent) == before, "the program changed its own folder")


def prove_window(place: Place, screen: str, has_figures: bool) -> None:
    """The window opens, takes a document, answers and quits by itself when it is asked to; a second start joins it."""
    document = place.home / "Brief.txt"
    document.write_text("The meeting is on Tuesday at nine.\n", "utf-8")
    environ = place.environ(DISPLAY=screen, QT_QPA_PLATFORM="xcb")
    command = isolated([str(place.program), "--open", str(document)])
    log = (place.home / "window.log").open("wb")
    started = time.monotonic()
    window = subprocess.Popen(command, cwd=place.home, env=environ, stdout=log, stderr=log)
    try:
        identity = wait_for(lambda: find_window(screen, "Tern"), "window called Tern")
        shown_after = time.monotonic() - started
        wait_for(lambda: _is_painted(screen, identity), "painted window")
        saved = place.home / ".local/share/Tern/history.sqlite3"
        wait_for(lambda: _rows(saved, "SELECT name FROM sqlite_master WHERE name = 'documents'"), "open history")
        type_text(screen, identity, QUESTION)
        typed_after = time.monotonic() - started

        def answered() -> bool:
            if not _messages(saved):
                press(screen, identity, "Return")  # while the model is loading Enter sends nothing; the text stays
            return _answered(saved)

        wait_for(answered, "answer in the history")
        answered_after = time.monotonic() - started
        documents = _rows(saved, "SELECT name FROM documents")
        expect(documents == [("Brief.txt",)], f"the document was not stored with the conversation: {documents}")
        if has_figures:
            print(
                f"window visible after {shown_after:.2f} s; question typed after {typed_after:.2f} s, answer stored "
                f"after {answered_after:.2f} s"
            )
            print_idle(window.pid)
        second = subprocess.run(command, cwd=place.home, env=environ, capture_output=True, timeout=30, check=False)
        expect(second.returncode == 0, f"a second start ended with {second.returncode}: {second.stderr!r}")
        press(screen, identity, "ctrl+q")
        wait_for(lambda: window.poll() is not None, "end of the program after Ctrl+Q")
        expect(window.returncode == 0, f"the window ended with {window.returncode}")
    except ProofError as error:
        xwd = ["xwd", "-root", "-silent", "-out", str(WORK / "proof-failed.xwd")]
        subprocess.run(xwd, env={**os.environ, "DISPLAY": screen}, check=False)
        said = (place.home / "window.log").read_text("utf-8", "replace")
        raise ProofError(f"{error}; the program said:\n{said}") from error
    finally:
        if window.poll() is None:
            window.kill()
            window.wait()
        log.close()
    said = (place.home / "window.log").read_text("utf-8", "replace")
    expect("Traceback" not in said, f"the window said:\n{said}")


def prove_portable(place: Place, folder: Path) -> None:
    """With a marker beside the program all data stays there; on a medium that cannot be written that is said."""
    copy = folder / "portable"
    shutil.copytree(place.program.resolve().parent, copy, symlinks=True)
    (copy / "portable").touch()
    portable = Place(copy / "tern", make_home(folder, "portable"))
    done = run(portable, "chat", stdin="Hello\n")
    expect(done.returncode == 2, f"a portable program that cannot write ended with {done.returncode}")
    expect("tern-data" in done.stderr and "Traceback" not in done.stderr, f"it said {done.stderr!r}")
    user = pwd.getpwnam(USER)
    os.chown(copy, user.pw_uid, user.pw_gid)
    done = run(portable, "chat", stdin="Hello\n")
    expect(done.returncode == 0, f"the portable program ended with {done.returncode}: {done.stderr}")
    expect(_messages(copy / "tern-data/history.sqlite3"), "the portable program kept nothing beside itself")
    expect(not (portable.home / ".local/share/Tern").exists(), "the portable program wrote into the home")


def prove_versions(place: Place, folder: Path) -> None:
    """A history of an older format is migrated with a backup; one of a newer format is refused and left alone."""
    home = make_home(folder, "versions")
    data = home / ".local/share/Tern"
    there = Place(place.program, home)
    expect(run(there, "chat", stdin="What is Tern?\n").returncode == 0, "the chat failed")
    history = data / "history.sqlite3"
    with closing(sqlite3.connect(history)) as connection:
        current = connection.execute("PRAGMA user_version").fetchone()[0]
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute(f"PRAGMA user_version = {current + 1}")
    newer = history.read_bytes()
    done = run(there, "chat", stdin="Hello\n")
    expect(done.returncode == 2 and "newer" in done.stderr, f"a newer history: {done.returncode} {done.stderr!r}")
    expect(history.read_bytes() == newer, "a newer history was changed")
    with closing(sqlite3.connect(history)) as connection:
        connection.execute("PRAGMA user_version = 1")  # its steps are safe to do again
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    n_before = len(_messages(history))
    done = run(there, "chat", stdin="Hello\n")
    expect(done.returncode == 0, f"an older history: {done.returncode} {done.stderr!r}")
    expect(len(_messages(history)) == n_before + 2, "the older history was not carried on")
    expect((data / "history.sqlite3.backup-v1").is_file(), "the older history was not backed up")


def prove_sizes(output: Path) -> None:
    """The sizes that are promised."""
    unpacked = sum(p.lstat().st_size for p in (output / "Tern").rglob("*") if p.is_file() and not p.is_symlink())
    expect(unpacked <= LARGEST_BUNDLE, f"the bundle has {unpacked} bytes")
    print(f"bundle: {unpacked / 1e6:.0f} MB unpacked (at most {LARGEST_BUNDLE / 1e6:.0f})")
    for path in sorted([*output.glob("*.tar.gz"), *output.glob("*.deb")]):
        expect(path.stat().st_size <= LARGEST_ARCHIVE, f"{path.name} has {path.stat().st_size} bytes")
        print(f"{path.name}: {path.stat().st_size / 1e6:.0f} MB (at most {LARGEST_ARCHIVE / 1e6:.0f})")


def wait_for(look: Callable[[], object], what: str, limit_s: float = 30.0) -> str:
    """Return what `look` finds, asking every 50 ms.

    Raises:
        ProofError: nothing came.
    """
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        found = look()
        if found:
            return str(found)
        time.sleep(0.05)
    raise ProofError(f"no {what} within {limit_s:.0f} s")


def find_window(screen: str, title: str) -> str:
    """Return the id of a visible window with this title, or an empty text."""
    found = xdotool(screen, "search", "--onlyvisible", "--name", f"^{title}$").splitlines()
    return found[0] if found else ""


def xdotool(screen: str, *arguments: str) -> str:
    """Return what xdotool says about the virtual screen; empty where it finds nothing."""
    environ = {**os.environ, "DISPLAY": screen}
    return subprocess.run(["xdotool", *arguments], env=environ, capture_output=True, text=True, check=False).stdout


def type_text(screen: str, window: str, text: str) -> None:
    """Type into a window as a keyboard does."""
    xdotool(screen, "windowfocus", "--sync", window)
    xdotool(screen, "type", "--delay", "5", text)


def press(screen: str, window: str, keys: str) -> None:
    """Press keys in a window."""
    xdotool(screen, "windowfocus", "--sync", window)
    xdotool(screen, "key", keys)


def print_idle(pid: int) -> None:
    """Measure processor time over ten seconds, and the memory, of a window that does nothing."""
    before = cpu_seconds(pid)
    time.sleep(10)
    used = (cpu_seconds(pid) - before) / 10
    print(f"idle: {100 * used:.1f} % of one core, {_resident_bytes(pid) / 1e6:.0f} MB resident")


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text("ascii", "replace")
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def _is_painted(screen: str, window: str) -> bool:
    environ = {**os.environ, "DISPLAY": screen}
    picture = subprocess.run(["xwd", "-id", window, "-silent"], env=environ, capture_output=True, check=False).stdout
    return len(set(picture[-200_000::97])) > 8


def _listing(folder: Path) -> list[tuple[str, int]]:
    return sorted((path.as_posix(), path.lstat().st_mtime_ns) for path in folder.rglob("*"))


def _rows(database: Path, query: str) -> list[tuple[object, ...]]:
    if not database.is_file():
        return []
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def _messages(database: Path) -> list[tuple[object, ...]]:
    return _rows(database, "SELECT role, state FROM messages ORDER BY id")


def _answered(database: Path) -> bool:
    try:
        return _messages(database)[-1:] == [("assistant", "done")]
    except sqlite3.OperationalError:
        return False  # between creation and the first migration


def start_screen(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start Xvfb on a screen of its own and return it with the screen's name.

    Raises:
        ProofError: it does not start.
    """
    number = 1000 + os.getpid() % 50_000
    command = ["Xvfb", f":{number}", "-screen", "0", "1400x1000x24", "-nolisten", "tcp", "-ac", "-noreset"]
    with (folder / "xvfb.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    # Without a network there are no abstract sockets either: the program reaches the screen by this file.
    wait_for(Path(f"/tmp/.X11-unix/X{number}").exists, "virtual screen")
    return server, f":{number}"


def provide() -> None:
    """Install what the proof needs and the system lacks."""
    shell = dev.Shell(ROOT, WORK / "setup.log")
    computer = dev.look_around()
    needed: Mapping[str, str] = {"Xvfb": "xvfb", "xdotool": "xdotool", "xwd": "x11-apps", "unshare": "util-linux"}
    missing = [dev.Missing(name, package, is_vital=True) for name, package in needed.items() if not shutil.which(name)]
    dev.provide([*missing, *dev.missing_to_show(computer, with_virtual_screen=True)], computer, shell)


def main(arguments: Sequence[str]) -> int:
    """Prove everything and return the exit code."""
    parser = argparse.ArgumentParser(description="Prove that the built program works where nothing else is.")
    parser.add_argument("--figures", action="store_true", help="measure start, first token, idle and memory as well")
    parser.add_argument("--bundle-only", action="store_true", help="prove a copy of the folder, not the archives")
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="where the results of the build are")
    asked = parser.parse_args(arguments)
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        print("This proof needs root on Linux.", file=sys.stderr)
        return 2
    try:
        provide()
        prove_sizes(asked.output)
        with tempfile.TemporaryDirectory(prefix="tern proof ") as name:
            folder = Path(name)
            places = (copy_bundle if asked.bundle_only else unpack)(folder, asked.output)
            first = next(iter(places.values()))
            for kind, place in places.items():
                print(f"== {kind}: terminal")
                prove_terminal(place)
            print("== portable, read-only, older and newer history")
            prove_portable(first, folder)
            prove_versions(first, folder)
            server, screen = start_screen(folder)
            try:
                for kind, place in places.items():
                    print(f"== {kind}: window")
                    prove_window(Place(place.program, make_home(folder, f"{kind} window")), screen, asked.figures)
            finally:
                server.terminate()
                server.wait()
    except (ProofError, dev.SetupError, subprocess.SubprocessError) as exc:
        print(f"FAILED: {exc}", file=sys.stderr)
        return 1
    print("proven: the program works for another user, without Python and without a network")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
