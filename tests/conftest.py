"""What every test gets: data directories of its own and no network. Shared builders lie in tests/support."""

import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))  # not a package: the import mode is importlib

from model_files import FIXTURES, tiny_model


@pytest.fixture(autouse=True)
def _own_data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERN_DATA_DIR", str(tmp_path / "tern-data"))


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex
    look_up = socket.getaddrinfo
    may_loop_back = request.node.get_closest_marker("loopback") is not None
    here = ("127.0.0.1", "localhost", "::1")

    def guard(method: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(self: socket.socket, address: Any) -> Any:
            if self.family != getattr(socket, "AF_UNIX", None) and not (may_loop_back and address[0] in here):
                raise RuntimeError(f"tests use no network, and this one wants {address}")
            return method(self, address)

        return guarded

    def no_lookup(*args: Any, **kwargs: Any) -> Any:
        if may_loop_back and args[0] in here:
            return look_up(*args, **kwargs)
        raise RuntimeError(f"tests use no network, and this one looks up {args}")

    monkeypatch.setattr(socket.socket, "connect", guard(connect))
    monkeypatch.setattr(socket.socket, "connect_ex", guard(connect_ex))
    monkeypatch.setattr(socket, "getaddrinfo", no_lookup)


@pytest.fixture(scope="session")
def fixtures_dir() -> Path:
    """Return the directory of the tiny models with golden outputs."""
    return FIXTURES


@pytest.fixture
def tiny_model_dir(tmp_path: Path) -> Callable[..., Path]:
    """Return a factory of model directories that load in milliseconds, tokenizer included.

    tiny_model_dir(edit, family="bitnet", masters=False): `edit` gets the ModelFiles before they are written; it may
    change config, generation, tensors, n_shards and header_edits.
    """
    made = 0

    def make(edit: Callable[[Any], object] | None = None, family: str = "bitnet", *, masters: bool = False) -> Path:
        nonlocal made
        made += 1
        files = tiny_model(family, masters=masters)
        if edit is not None:
            edit(files)
        return files.write(tmp_path / f"tiny-{made}")

    return make
