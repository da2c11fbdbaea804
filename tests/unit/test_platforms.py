"""Nothing that only one system has is reached on the others: read from the source, not tried.

A use counts as guarded where `sys.platform`, `os.name`, hasattr() or an `except` for the missing name stands around it.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("app", "core", "cython_kernels", "packaging")
ONLY_LINUX_PROOFS = {
    "packaging/prove_bundle.py", "packaging/measure_bundle.py", "packaging/cross_checks.py",
    "packaging/linux_packages.py", "packaging/start.py",
}  # fmt: skip

# Modules and names that some systems lack: https://docs.python.org/3/library/os.html ("Availability").
MODULES = {
    "fcntl", "resource", "termios", "tty", "pty", "grp", "pwd", "posix", "syslog", "readline", "msvcrt", "winreg",
    "winsound", "_winapi", "nt", "ctypes.wintypes",
}  # fmt: skip
NAMES = {
    "os": {
        "fork", "forkpty", "geteuid", "getuid", "getgid", "setuid", "setsid", "killpg", "getpgid", "nice", "sysconf",
        "sched_getaffinity", "sched_setaffinity", "posix_fallocate", "posix_fadvise", "pread", "pwrite", "preadv",
        "statvfs", "mkfifo", "chown", "fchown", "fchmod", "getloadavg", "memfd_create", "pipe2", "sendfile",
        "startfile",
        "O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC", "O_BINARY", "O_NONBLOCK", "WIFEXITED", "waitpid", "wait4", "uname",
        "eventfd", "copy_file_range", "getpriority", "setpriority", "getrandom",
    },
    "signal": {"SIGKILL", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCHLD", "SIGPIPE", "SIGQUIT", "alarm",
               "setitimer", "pthread_sigmask", "CTRL_C_EVENT", "CTRL_BREAK_EVENT", "SIGSTOP", "SIGCONT"},
    "time": {"clock_gettime", "tzset", "CLOCK_MONOTONIC", "clock_getres"},
    "mmap": {"MADV_HUGEPAGE", "MADV_NOHUGEPAGE", "MADV_DONTNEED", "MADV_WILLNEED", "MADV_SEQUENTIAL", "MAP_POPULATE",
             "MAP_ANONYMOUS", "MAP_PRIVATE"},
    "socket": {"AF_UNIX", "SO_PEERCRED"},
    "subprocess": {"STARTUPINFO", "CREATE_NO_WINDOW", "CREATE_NEW_PROCESS_GROUP", "DETACHED_PROCESS",
                   "BELOW_NORMAL_PRIORITY_CLASS", "STARTF_USESHOWWINDOW", "SW_HIDE"},
    "ctypes": {"WinDLL", "windll", "WinError", "oledll", "OleDLL"},
}  # fmt: skip
GUARDS = ("sys.platform", "os.name", "hasattr(", "platform ==", "platform.system", "is_linux", "is_windows", "is_macos")


def python_files() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def parents(tree: ast.AST) -> dict[ast.AST, ast.AST]:
    return {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}


def is_guarded(node: ast.AST, above: dict[ast.AST, ast.AST]) -> bool:
    """Tell whether a condition, an earlier return or an except stands between `node` and every system."""
    child: ast.AST = node
    while child in above:
        parent = above[child]
        if isinstance(parent, ast.If | ast.IfExp | ast.While) and any(g in ast.unparse(parent.test) for g in GUARDS):
            return True
        if isinstance(parent, ast.BoolOp) and any(g in ast.unparse(parent) for g in GUARDS):
            return True
        if isinstance(parent, ast.Try) and child in parent.body:
            caught = " ".join(ast.unparse(each.type) for each in parent.handlers if each.type is not None)
            if any(name in caught for name in ("ImportError", "AttributeError", "ModuleNotFoundError")):
                return True
        if isinstance(parent, ast.With):
            manager = ast.unparse(parent.items[0].context_expr)
            if "suppress" in manager and ("ImportError" in manager or "AttributeError" in manager):
                return True
        body = getattr(parent, "body", None)
        if isinstance(body, list) and child in body:
            for earlier in body[: body.index(child)]:  # if sys.platform != ...: return
                is_leaving = isinstance(earlier, ast.If) and isinstance(earlier.body[-1], ast.Return | ast.Raise)
                if is_leaving and any(guard in ast.unparse(earlier.test) for guard in GUARDS):
                    return True
        child = parent
    return False


def special_uses(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Yield every use of a module or a name that some systems lack."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module:
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            if node.module in MODULES or full & MODULES:
                yield node, node.module
            named = NAMES.get(node.module, set())
            yield from ((node, f"{node.module}.{alias.name}") for alias in node.names if alias.name in named)
        elif isinstance(node, ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            if node.attr in NAMES.get(owner, set()):
                yield node, f"{owner}.{node.attr}"


def unguarded(source: str) -> list[str]:
    tree = ast.parse(source)
    above = parents(tree)
    return [f"{node.lineno}: {name}" for node, name in special_uses(tree) if not is_guarded(node, above)]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import fcntl", ["1: fcntl"]),
        ("import os\ndef f():\n    return os.sysconf('SC_PAGESIZE')", ["3: os.sysconf"]),
        ("from signal import SIGKILL", ["1: signal.SIGKILL"]),
        ("import sys\nif sys.platform == 'win32':\n    import msvcrt\nelse:\n    import fcntl", []),
        ("try:\n    import readline\nexcept ImportError:\n    pass", []),
        ("import os\nx = os.geteuid() if hasattr(os, 'geteuid') else 0", []),
        ("import os\ny = hasattr(os, 'geteuid') and os.geteuid() == 0", []),
        ("import os, sys\ndef f():\n    if sys.platform == 'win32':\n        return 0\n    return os.getuid()", []),
        ("import os\ntry:\n    os.getuid()\nexcept OSError:\n    pass", ["3: os.getuid"]),
    ],
)
def test_uses_of_one_system_alone_are_told_from_guarded_ones(source: str, found: list[str]) -> None:
    assert unguarded(source) == found


def test_no_call_of_one_system_is_reached_on_another() -> None:
    found = {
        path.relative_to(ROOT).as_posix(): unguarded(path.read_text("utf-8"))
        for path in python_files()
        if path.relative_to(ROOT).as_posix() not in ONLY_LINUX_PROOFS
    }
    assert {name: uses for name, uses in found.items() if uses} == {}


def test_text_files_are_never_opened_in_the_systems_own_encoding() -> None:
    """Windows would read and write another one than the rest of the world."""
    found = []
    for path in python_files():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            has_encoding = any(keyword.arg == "encoding" for keyword in node.keywords)
            if (name == "read_text" and not node.args and not has_encoding) or (
                name == "write_text" and len(node.args) < 2 and not has_encoding
            ):
                found.append(f"{path.relative_to(ROOT).as_posix()}:{node.lineno}")
    assert found == []


def test_every_file_can_be_written_on_windows() -> None:
    devices = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
    names = [path for package in (*PACKAGES, "assets", "tests") for path in (ROOT / package).rglob("*")]
    tracked = [path.relative_to(ROOT).as_posix() for path in names if "__pycache__" not in path.parts]
    assert [name for name in tracked if set(name) & set('<>:"|?*\\')] == []
    assert [name for name in tracked if Path(name).stem.lower() in devices or name.endswith((".", " "))] == []
    assert len({name.casefold() for name in tracked}) == len(set(tracked))
    assert max(map(len, tracked)) < 160  # below 260 with the longest folder of a person in front


def test_this_computer_is_one_of_the_three() -> None:
    assert sys.platform in {"linux", "darwin", "win32"}
