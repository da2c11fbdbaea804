"""A download as Tern sees it: starts the child, passes its events on, and puts the model in its place.

Opens no connection itself. Knows processes and files; what is fetched how is the child's business. A download that
stopped in any way, also by a crash or a power cut, is continued by the next run().
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from core.child import child_command, child_environ
from core.errors import AppError, ErrorCode
from core.events import CancelToken, Connected, DownloadProgress, DownloadState, Emit, Interrupted
from core.models.catalogue import CatalogueModel, ModelKind
from core.models.connections import Transferred, append_connection, append_transfer
from core.models.download_messages import (
    MAX_LINE_BYTES,
    PUBLIC_ENDPOINT,
    Fetched,
    Message,
    Refused,
    Request,
    Timing,
    WantedFile,
    decode,
    encode_request,
    endpoint_of,
    proxy_of,
)
from core.models.download_plan import LOCK_FILE, PLAN_FILE, fetched_bytes, read_plan
from core.models.installed import InstalledModel
from core.models.part_file import disk_error
from core.models.receipts import REFERENCE_SUFFIX, Receipt, receipt_path
from core.settings import sync_directory, write_atomically

CHILD_MODULE: Final = "core.models.download_child"
ENDPOINT_VARIABLE: Final = "HF_ENDPOINT"
_UNFINISHED: Final = ".downloading-"
# All that the child gets of the environment: how to reach the network and which certificates to trust. No tokens.
_PASSED_ON: Final = (
    "PATH", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "TEMP", "TMP", "TMPDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DownloadOptions:
    """How the hub is reached.

    `endpoint` is a mirror's address, "" the one that HF_ENDPOINT names or the hub itself; `proxy` is None for the
    system's and "" for none; `ca_file` is a PEM file of certificates to trust beside the system's.
    """

    endpoint: str = ""
    proxy: str | None = None
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class PartialDownload:
    """A download that has been begun; `total_bytes` is None until the hub has told it."""

    name: str
    done_bytes: int
    total_bytes: int | None
    directory: Path


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as a person fetches it on another computer; None where that is not known beforehand."""

    name: str
    url: str
    n_bytes: int | None
    sha256: str | None


def remote_files(model: CatalogueModel, endpoint: str = "") -> tuple[RemoteFile, ...]:
    """Return where the files of `model` are published; none where their names are not known.

    Raises:
        AppError: MODEL_NOT_PUBLISHED, ADDRESS_INVALID.
    """
    if model.repository is None:
        raise AppError(ErrorCode.MODEL_NOT_PUBLISHED, name=model.name)
    base = f"{chosen_endpoint(endpoint)}/{model.repository}/resolve/{model.revision or 'main'}"
    return tuple(RemoteFile(file.name, f"{base}/{file.name}", file.n_bytes, file.sha256) for file in model.files)


def partial_downloads(models: Path) -> tuple[PartialDownload, ...]:
    """Return the downloads in `models` that were begun and neither finished nor cancelled."""
    try:
        found = sorted(path for path in models.iterdir() if path.name.startswith(_UNFINISHED) and path.is_dir())
    except OSError:
        return ()
    return tuple(_partial(path) for path in found)


def chosen_endpoint(endpoint: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return the hub's address: the given one, the environment's or the public one.

    Raises:
        AppError: ADDRESS_INVALID.
    """
    return endpoint_of(endpoint or environ.get(ENDPOINT_VARIABLE, "") or PUBLIC_ENDPOINT)


class Download:
    """One model on its way into `models`; run() belongs to one thread, all else to any."""

    def __init__(
        self,
        model: CatalogueModel,
        models: Path,
        options: DownloadOptions | None = None,
        *,
        connections: Path | None = None,
        timing: Timing | None = None,
    ) -> None:
        """Prepare; nothing is read, written or connected.

        Args:
            model: an entry of the catalogue.
            models: the directory that the model's own directory comes into (AppPaths.models, or any other).
            options: how the hub is reached.
            connections: where to note what was connected to (AppPaths.connections).
            timing: how patient to be.
        """
        self.model = model
        self._models = models
        self._options = options or DownloadOptions()
        self._connections = connections
        self._timing = timing or Timing()
        self._running: CancelToken | None = None
        self._is_discarded = False

    @property
    def directory(self) -> Path:
        """Where the parts are until the model is complete."""
        return self._models / f"{_UNFINISHED}{self.model.name}"

    @property
    def state(self) -> PartialDownload | None:
        """What is on disk of it; None where it has not been begun or is finished."""
        return _partial(self.directory) if self.directory.is_dir() else None

    def pause(self) -> None:
        """Stop; all that was received stays."""
        if self._running is not None:
            self._running.cancel()

    def cancel(self) -> None:
        """Stop and delete what was received; when it runs, run() deletes it at its end."""
        running = self._running
        self._is_discarded = True
        if running is None:
            self._delete()
        else:
            running.cancel()

    def run(self, cancel: CancelToken, emit: Emit) -> InstalledModel:
        """Start or continue, until the model is there; emits Download* and Connected of core/events.py.

        Raises:
            AppError: DOWNLOAD_*, PROXY_REFUSED, CERTIFICATE_UNTRUSTED, CLOCK_WRONG, CA_UNREADABLE, ADDRESS_INVALID,
                MODEL_NOT_PUBLISHED, MODEL_NAME_TAKEN.
            Interrupted: it was paused or cancelled.
        """
        request = self._request()
        target = self._models / self.model.name
        taken = {path.name.removesuffix(REFERENCE_SUFFIX).casefold() for path in _entries(self._models)}
        if self.model.name.casefold() in taken:
            raise AppError(ErrorCode.MODEL_NAME_TAKEN, name=self.model.name)
        self._is_discarded = False
        self._running = cancel
        received = _Received(emit)
        try:
            with self._disk_errors():
                self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            fetched = self._fetch(request, cancel, received.on_event)
            with self._disk_errors():
                return self._put_in_place(fetched, target)
        finally:
            self._running = None
            if self._connections is not None and received.n_bytes:
                append_transfer(self._connections, Transferred(datetime.now(UTC), self.model.name, received.n_bytes))
            if self._is_discarded:
                self._delete()

    def _request(self) -> Request:
        model, options = self.model, self._options
        if model.repository is None:
            raise AppError(ErrorCode.MODEL_NOT_PUBLISHED, name=model.name)
        return Request(
            repository=model.repository,
            revision=model.revision,
            files=tuple(WantedFile(file.name, file.n_bytes, file.sha256) for file in model.files),
            directory=self.directory.absolute(),
            endpoint=chosen_endpoint(options.endpoint),
            proxy=proxy_of(options.proxy),
            ca_file=None if options.ca_file is None else options.ca_file.expanduser().absolute(),
            timing=self._timing,
        )

    def _fetch(self, request: Request, cancel: CancelToken, emit: Emit) -> Fetched:
        """Run the child to its end; killing it at any moment is safe, so that is how it is stopped."""
        with _child(request) as process:
            cancel.on_cancel(process.kill)
            for message in _messages(process):
                match message:
                    case Fetched():
                        if cancel.is_cancelled:
                            raise Interrupted
                        return message
                    case Refused(error):
                        raise error
                    case Connected():
                        if self._connections is not None:
                            append_connection(self._connections, message)
                        emit(message)
                    case _:
                        emit(message)
            code = process.wait()
        if cancel.is_cancelled:
            raise Interrupted
        raise AppError(ErrorCode.DOWNLOAD_FAILED, reason=f"exit code {code}")

    def _put_in_place(self, fetched: Fetched, target: Path) -> InstalledModel:
        """Write the receipt and give the directory its name."""
        is_embedding = self.model.kind is ModelKind.EMBEDDING
        receipt = Receipt(target, self.model.repository, fetched.revision, fetched.files, is_embedding)
        for name in (PLAN_FILE, LOCK_FILE):
            (self.directory / name).unlink(missing_ok=True)
        for file in fetched.files:
            (self.directory / f"{file.name}.part.sums").unlink(missing_ok=True)
        write_atomically(receipt_path(self.directory), receipt.encoded())
        sync_directory(self.directory)
        self.directory.rename(target)
        sync_directory(self._models)
        return InstalledModel(self.model.name, target, False, None, is_embedding)

    def _delete(self) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)

    @contextlib.contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except AppError as error:
            if error.code not in (ErrorCode.DISK_FULL, ErrorCode.DATA_DIR_UNWRITABLE):
                raise
            raise disk_error(error.__cause__, self._models, 0, 0) from error
        except OSError as exc:
            raise disk_error(exc, self._models, 0, 0) from exc


class _Received:
    """Counts what a run receives, and passes its events on."""

    def __init__(self, emit: Emit) -> None:
        self.n_bytes = 0
        self._emit = emit
        self._done_bytes: int | None = None

    def on_event(self, event: object) -> None:
        if isinstance(event, DownloadProgress):
            before, self._done_bytes = self._done_bytes, event.done_bytes
            if before is not None and event.state in (DownloadState.RECEIVING, DownloadState.FINISHING):
                self.n_bytes += max(0, event.done_bytes - before)
        self._emit(event)


@contextlib.contextmanager
def _child(request: Request) -> Iterator[subprocess.Popen[bytes]]:
    """Start the child; it has ended when the block is left."""
    process = subprocess.Popen(
        child_command(CHILD_MODULE),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(os.environ),
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
    assert process.stdin is not None
    try:
        with contextlib.suppress(OSError):  # it has ended already, and its exit code says so
            process.stdin.write(encode_request(request))
            process.stdin.flush()
        yield process
    finally:
        process.kill()
        with contextlib.suppress(OSError):
            process.stdin.close()
        if process.stdout is not None:
            process.stdout.close()
        process.wait()


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    passed = {name: environ[name] for name in _PASSED_ON if name in environ}
    # PYTHONSAFEPATH: what lies in the directory that Tern was started in is not code of Tern.
    return {**child_environ(passed), "PYTHONSAFEPATH": "1"}


def _messages(process: subprocess.Popen[bytes]) -> Iterator[Message]:
    """Yield what the child says until it ends."""
    assert process.stdout is not None
    read: Callable[[int], bytes] = process.stdout.readline
    while line := read(MAX_LINE_BYTES):
        try:
            yield decode(line)
        except ValueError:
            return  # killed in the middle of a line


def _entries(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except OSError:
        return []


def _partial(directory: Path) -> PartialDownload:
    plan = read_plan(directory / PLAN_FILE)
    name = directory.name.removeprefix(_UNFINISHED)
    if plan is None:
        return PartialDownload(name, 0, None, directory)
    return PartialDownload(name, fetched_bytes(directory, plan), plan.total_bytes, directory)
