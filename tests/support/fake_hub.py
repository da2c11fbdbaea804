"""A hub on 127.0.0.1 for the real huggingface_hub: metadata, redirects to a "CDN", ranges, and every kind of fault.

A test gives it files and a list of faults; each request for content takes the next fault, and none means honest.
"""

import hashlib
import json
import ssl
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from core.models.catalogue import CatalogueFile, CatalogueModel, ModelKind
from core.models.download_messages import Request, Timing, WantedFile

QUICK = Timing(stall_s=0.4, connect_s=5, backoff_s=0.001, longest_backoff_s=0.01, longest_asked_s=0.01)
REPOSITORY = "owner/name"
REVISION = "0123456789abcdef0123456789abcdef01234567"


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one answer; offsets count from the start of the file."""

    status: int = 0  # answer with this status instead
    retry_after: str = ""
    cut_at: int | None = None  # end the connection before this byte
    stall_at: int | None = None  # say nothing more from this byte on, until the hub is released
    flip_at: int | None = None  # send this byte wrong
    length_delta: int = 0  # claim so many bytes more or less
    ignores_range: bool = False
    redirect_to: str = ""
    wrong_range: bool = False
    drip_bytes: int = 0  # send pieces of this size


@dataclass(slots=True)
class Served:
    """One answer with content: from byte `start`, `sent` bytes."""

    name: str
    start: int
    fault: Fault
    sent: int = 0


@dataclass(slots=True)
class FakeHub:
    """What is published, what is to go wrong and what was asked for."""

    files: dict[str, bytes]
    revision: str = REVISION
    repository: str = REPOSITORY
    commit_told: str | None = None  # instead of `revision` in X-Repo-Commit
    etags: dict[str, str] = field(default_factory=dict)  # told instead of the true ones
    metadata_faults: deque[Fault] = field(default_factory=deque)
    faults: deque[Fault] = field(default_factory=deque)
    served: list[Served] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    url: str = ""
    scheme: str = "http"
    released: threading.Event = field(default_factory=threading.Event)
    is_stalled: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def sha256(self, name: str) -> str:
        return hashlib.sha256(self.files[name]).hexdigest()

    def entry(self, **changed: Any) -> CatalogueModel:
        """Return the catalogue's entry for what is published, with all hashes known."""
        files = tuple(CatalogueFile(name, len(data), self.sha256(name)) for name, data in self.files.items())
        values: dict[str, Any] = {
            "name": "model", "title": "A model", "kind": ModelKind.CHAT, "is_default": False,
            "repository": self.repository, "revision": self.revision, "files": files, "architecture": None,
            "context_length": None, "languages": ("en",), "licence": "MIT", "memory_bytes": 1, "sentence": "A model.",
        }  # fmt: skip
        return CatalogueModel(**{**values, **changed})

    def request(self, directory: Path, **changed: Any) -> Request:
        """Return the request for all that is published; `directory` is made."""
        directory.mkdir(parents=True, exist_ok=True)
        files = tuple(WantedFile(name, len(data), self.sha256(name)) for name, data in self.files.items())
        values: dict[str, Any] = {
            "repository": self.repository, "revision": self.revision, "files": files, "directory": directory,
            "endpoint": self.url, "proxy": "", "ca_file": None, "timing": QUICK,
        }  # fmt: skip
        return Request(**{**values, **changed})

    def is_large(self, name: str) -> bool:
        """Tell whether the file is kept as the hub keeps large ones: elsewhere, known by its SHA-256."""
        return name.endswith((".safetensors", ".gguf"))

    def etag(self, name: str) -> str:
        if name in self.etags:
            return self.etags[name]
        data = self.files[name]
        return self.sha256(name) if self.is_large(name) else hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()

    def take(self, faults: deque[Fault]) -> Fault:
        with self.lock:
            return faults.popleft() if faults else Fault()

    def starts(self, name: str) -> list[int]:
        return [served.start for served in self.served if served.name == name]


@contextmanager
def running_hub(
    files: dict[str, bytes], faults: Iterable[Fault] = (), *, tls: ssl.SSLContext | None = None
) -> Iterator[FakeHub]:
    """Serve until the block is left."""
    hub = FakeHub(dict(files), faults=deque(faults))

    class Handler(_Handler):
        state = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        hub.scheme = "https"
    hub.url = f"{hub.scheme}://{'localhost' if tls else '127.0.0.1'}:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    state: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        return

    def do_HEAD(self) -> None:
        self._answer(has_body=False)

    def do_GET(self) -> None:
        self._answer(has_body=True)

    def _answer(self, *, has_body: bool) -> None:
        hub = self.state
        path = unquote(urlsplit(self.path).path)
        hub.requests.append(f"{self.command} {path}")
        hub.tokens += [self.headers[name] for name in ("Authorization", "Cookie") if self.headers[name]]
        if not has_body or path.startswith("/api/"):
            fault = hub.take(hub.metadata_faults)
            if fault.status or fault.redirect_to:
                return self._fail(fault)
        if path.startswith(f"/api/models/{hub.repository}"):
            siblings = [{"rfilename": name} for name in hub.files]
            return self._json({"id": hub.repository, "sha": hub.revision, "siblings": siblings, "tags": []})
        prefix = f"/{hub.repository}/resolve/"
        if path.startswith(prefix):
            revision, _, name = path.removeprefix(prefix).partition("/")
            if revision not in (hub.revision, "main"):
                return self._missing("RevisionNotFound")
            if name not in hub.files:
                return self._missing("EntryNotFound")
            if hub.is_large(name):
                return self._redirect(name)
            return self._content(name, has_body)
        if path.startswith("/cdn/") and path.removeprefix("/cdn/") in hub.files:
            return self._content(path.removeprefix("/cdn/"), has_body)
        return self._missing("RepoNotFound")

    def _redirect(self, name: str) -> None:
        self.send_response(302)
        self._describe(name)
        self.send_header("Location", f"{self.state.url}/cdn/{name}?signature=1")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _describe(self, name: str) -> None:
        hub = self.state
        self.send_header("X-Repo-Commit", hub.commit_told or hub.revision)
        if hub.is_large(name):
            self.send_header("X-Linked-Etag", f'"{hub.etag(name)}"')
            self.send_header("X-Linked-Size", str(len(hub.files[name])))
        self.send_header("ETag", f'"{hub.etag(name)}"')

    def _content(self, name: str, has_body: bool) -> None:
        hub, data = self.state, self.state.files[name]
        fault = hub.take(hub.faults) if has_body else Fault()
        if fault.status or fault.redirect_to:
            return self._fail(fault)
        start = 0
        asked = self.headers.get("Range", "")
        if has_body and asked.startswith("bytes=") and not fault.ignores_range:
            start = int(asked.removeprefix("bytes=").partition("-")[0])
            if start >= len(data):
                return self._fail(Fault(status=416))
        self.send_response(206 if start else 200)
        self._describe(name)
        if start:
            first = start + 1 if fault.wrong_range else start
            self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start + fault.length_delta))
        self.end_headers()
        if has_body:
            self._send(name, data, start, fault)
        return None

    def _send(self, name: str, data: bytes, start: int, fault: Fault) -> None:
        hub = self.state
        served = Served(name, start, fault)
        hub.served.append(served)
        if fault.flip_at is not None and start <= fault.flip_at < len(data):
            data = data[: fault.flip_at] + bytes([data[fault.flip_at] ^ 0x10]) + data[fault.flip_at + 1 :]
        ends = [at for at in (fault.cut_at, fault.stall_at) if at is not None]
        end = max(start, min([len(data), *ends]))
        step = fault.drip_bytes or 1 << 16
        for at in range(start, end, step):
            piece = data[at : min(at + step, end)]
            self.wfile.write(piece)
            served.sent += len(piece)
        if fault.stall_at is not None and end == max(start, fault.stall_at):
            self.wfile.flush()
            hub.is_stalled.set()
            hub.released.wait()
        self.close_connection = bool(ends) or fault.length_delta != 0

    def _fail(self, fault: Fault) -> None:
        self.send_response(302 if fault.redirect_to else fault.status)
        if fault.redirect_to:
            self.send_header("Location", fault.redirect_to)
        if fault.retry_after:
            self.send_header("Retry-After", fault.retry_after)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _missing(self, code: str) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _json(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
