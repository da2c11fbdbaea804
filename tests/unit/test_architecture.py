"""The rules of ARCHITECTURE.md that import-linter cannot see; each names the file and line that breaks it."""

import ast
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("app", "core", "cython_kernels")

# What a .pyx or .pxd may import: the kernels know numbers only.
PYX_MAY_IMPORT = {"cython", "libc", "cpython", "numpy", "cython_kernels"}
REACH_KERNELS = {
    "core/inference/model.py", "core/inference/weights.py", "core/inference/assembly.py",
    "core/inference/gguf_model.py", "core/inference/head.py", "core/inference/measure.py",
    "core/inference/embedding.py", "core/inference/embedding_weights.py", "core/inference/kernel_check.py",
}  # fmt: skip
START_THREADS = {"app/jobs.py"}
# core/offline.py has sockets for its self-test alone, which must fail to use them.
REACH_NETWORK = {"core/models/download_http.py", "core/offline.py"}
BUILD_SERVICES = {"app/wiring.py"}
THREAD_STARTERS = {
    "threading.Thread", "threading.Timer", "_thread.start_new_thread", "concurrent.futures", "multiprocessing",
    "PySide6.QtCore.QThread", "PySide6.QtCore.QThreadPool", "PySide6.QtCore.QRunnable", "PySide6.QtConcurrent",
}  # fmt: skip
# Loading any of these can run code that came with the data.
UNSAFE_MODULES = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "torch"}
UNSAFE_CALLS = {"eval", "exec", "__import__", "os.system", "os.popen"}
# Tern talks to nobody but for downloads, which one module makes in a process of its own.
NETWORK_MODULES = {
    "socket", "ssl", "ftplib", "smtplib", "http.client", "http.server", "urllib.request", "xmlrpc", "requests",
    "httpx", "httpx2", "aiohttp", "huggingface_hub", "PySide6.QtNetwork", "PySide6.QtWebSockets",
    "PySide6.QtWebEngineCore", "PySide6.QtWebEngineWidgets",
}  # fmt: skip
SERVICES = {
    "core.store.database.Database", "core.store.chats.ChatStore", "core.chat.ChatService",
    "core.inference.engine.Engine", "core.inference.engine.open_engine", "core.library.extractor.Extractor",
}  # fmt: skip

MACHINE_PATH = re.compile(
    r"(?<![\w.:/~}-])/(?:root|work|home/(?!you/)\w+|Users/(?!you/)\w+|opt|mnt)/\w|[A-Z]:\\+Users\\+\w"
)
INDEX_HOST = re.compile(r"pythonhosted\.|pypi\.org|deb\.debian\.org|index-url")
TEXT_SUFFIXES = {"", ".py", ".pyi", ".pyx", ".pxd", ".c", ".h", ".md", ".toml", ".cfg", ".sh", ".yaml", ".yml"}
NOT_OURS = {"build", "dist", "node_modules", "__pycache__"}


def _python_files(*packages: str) -> list[Path]:
    files = [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]
    assert files, packages
    return files


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of all that is imported: `from a import b` gives a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def _bindings(tree: ast.AST) -> dict[str, str]:
    """Return what the imported names of a module stand for."""
    bound: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            bound |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            bound |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return bound


def _calls(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of all that is called, with imported names written out."""
    bound = _bindings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            first, dot, rest = ast.unparse(node.func).partition(".")
            yield node.lineno, bound.get(first, first) + dot + rest


def _is_within(name: str, modules: set[str]) -> bool:
    return any(name == module or name.startswith(module + ".") for module in modules)


def _breaches(
    files: list[Path],
    finder: Callable[[ast.AST], Iterator[tuple[int, str]]],
    forbidden: set[str],
    allowed_in: set[str] = frozenset(),
) -> list[str]:
    return [
        f"{_name(path)}:{line}: {name}"
        for path in files
        if _name(path) not in allowed_in
        for line, name in finder(ast.parse(path.read_text(encoding="utf-8")))
        if _is_within(name, forbidden)
    ]


def _pyx_imports(text: str) -> list[str]:
    """Return the top-level packages that Cython source imports or cimports."""
    logical = re.sub(r"\\\n", " ", text)
    found: list[str] = []
    for line in logical.splitlines():
        statement = line.split("#")[0].strip()
        if match := re.match(r"from\s+([\w.]+)\s+c?import\b", statement):
            found.append(match[1])
        elif match := re.match(r"c?import\s+(.+)", statement):
            found += [part.split(" as ")[0].strip() for part in match[1].split(",")]
        elif match := re.match(r"include\s+[\"'](.+)[\"']", statement):
            found.append(match[1])
    return [name.split(".")[0] for name in found]


def test_pyx_imports_are_found() -> None:
    source = (
        "from libc.stdint cimport int8_t  # types\nimport os, numpy as np\ncimport cython\n"
        "def f():\n    from PySide6 import QtCore\n    import_count = 1\n"
    )
    assert _pyx_imports(source) == ["libc", "os", "numpy", "cython", "PySide6"]


def test_cython_sources_import_numbers_only() -> None:
    sources = [path for pattern in ("*.pyx", "*.pxd", "*.pxi") for path in (ROOT / "cython_kernels").rglob(pattern)]
    assert sources
    wrong = [(_name(path), name) for path in sources for name in _pyx_imports(path.read_text(encoding="utf-8"))]
    assert [item for item in wrong if item[1] not in PYX_MAY_IMPORT] == []


def test_cython_sources_lie_in_the_kernels_alone() -> None:
    assert [_name(path) for package in ("app", "core") for path in (ROOT / package).rglob("*.p[yx][xd]")] == []


def test_core_reaches_the_kernels_in_few_places() -> None:
    assert _breaches(_python_files("core"), _imports, {"cython_kernels"}, REACH_KERNELS) == []


def test_nobody_goes_round_the_facade() -> None:
    assert _breaches(_python_files("core", "app"), _imports, {"cython_kernels.transformer"}) == []


def test_only_jobs_starts_threads() -> None:
    files = _python_files(*PACKAGES)
    assert _breaches(files, _calls, THREAD_STARTERS, START_THREADS) == []
    assert _breaches(files, _imports, THREAD_STARTERS, START_THREADS) == []


def test_only_wiring_builds_services() -> None:
    assert _breaches(_python_files("app"), _calls, SERVICES, BUILD_SERVICES) == []


def test_core_prints_nothing() -> None:
    files = _python_files("core", "cython_kernels")
    assert _breaches(files, _calls, {"print", "sys.stdout", "sys.stderr", "input"}) == []


def test_nothing_that_is_read_can_run_code() -> None:
    files = _python_files(*PACKAGES, "packaging")
    assert _breaches(files, _imports, UNSAFE_MODULES) == []
    assert _breaches(files, _calls, UNSAFE_CALLS) == []


@pytest.mark.parametrize(("keyword", "value"), [("allow_pickle", True), ("shell", True)])
def test_no_dangerous_switch_is_on(keyword: str, value: bool) -> None:
    found = [
        f"{_name(path)}:{node.value.lineno}"
        for path in _python_files(*PACKAGES, "packaging")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.keyword) and node.arg == keyword
        if not (isinstance(node.value, ast.Constant) and node.value.value is not value)
    ]
    assert found == []


def test_nothing_can_reach_the_network() -> None:
    assert _breaches(_python_files(*PACKAGES), _imports, NETWORK_MODULES, REACH_NETWORK) == []
    own = ast.parse((ROOT / "core" / "offline.py").read_text(encoding="utf-8"))
    assert {name for _, name in _imports(own) if _is_within(name, NETWORK_MODULES)} == {"socket"}


def test_packaging_is_not_a_package() -> None:
    """With an __init__.py it would be imported instead of the library `packaging` from the root of the clone."""
    assert not (ROOT / "packaging" / "__init__.py").exists()


def _own_texts() -> Iterator[tuple[str, str]]:
    for folder, directories, files in os.walk(ROOT):
        hidden = {name for name in directories if name.startswith(".") and name not in (".ci", ".github")}
        directories[:] = sorted(set(directories) - hidden - NOT_OURS)
        for name in sorted(files):
            path = Path(folder, name)
            if path.suffix not in TEXT_SUFFIXES or path.with_suffix(".pyx").exists():
                continue  # with a .pyx beside it, it is what Cython made
            if not name.endswith(".part"):
                yield _name(path), path.read_text(encoding="utf-8", errors="replace")


@pytest.mark.parametrize("pattern", [MACHINE_PATH, INDEX_HOST], ids=["machine path", "package index"])
def test_no_file_is_tied_to_one_machine(pattern: re.Pattern[str]) -> None:
    ours = "tests/unit/test_architecture.py"
    found = [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in _own_texts()
        if name != ours
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []
