"""How the files of one model are fetched: the order, the patience, the room on the disk, what is checked when.

Runs in the download child alone. Knows parts and plans; connections are made in download_http.py.
"""

import json
import random
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

from core.errors import AppError, ErrorCode
from core.events import DownloadRestarted, DownloadState, DownloadWaiting, RestartReason, WaitReason
from core.instance import InstanceLock
from core.models.catalogue import is_safe_name
from core.models.download_http import Connections, RangeRefused, TryAgain
from core.models.download_messages import Fetched, Message, Request, WantedFile
from core.models.download_plan import LOCK_FILE, PLAN_FILE, Plan, fetched_bytes, read_plan, wanted_names
from core.models.download_progress import Meter
from core.models.part_file import PartFile, disk_error, file_hashes
from core.models.receipts import PinnedFile
from core.settings import write_atomically

SPARE_BYTES: Final = 64 << 20  # left free on the disk
_CHECK_DISK_EVERY: Final = 16 << 20
_MAX_WRONG: Final = 3  # times that a whole file may come with a wrong hash
_MAX_BAD_ANSWERS: Final = 5  # in a row, without a byte of use
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_SHA1: Final = re.compile(r"[0-9a-f]{40}")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Machine:
    """What fetching needs of its computer; tests give another one."""

    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random  # 0..1
    free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free


class Fetcher:
    """Fetches one model into a directory: run() once."""

    def __init__(self, request: Request, send: Callable[[Message], None], machine: Machine | None = None) -> None:
        """Set the connections up.

        Raises:
            AppError: CA_UNREADABLE.
        """
        self._request = request
        self._send = send
        self._machine = machine or Machine()
        self._connections = Connections(request)
        self._meter = Meter(send, self._machine.clock)
        self._n_failed = 0  # connections in a row without a byte
        self._n_bad_answers = 0
        self._next_disk_check = 0

    def run(self) -> Fetched:
        """Fetch everything that is not there yet; waits as long as it takes.

        Raises:
            AppError: it cannot go on.
        """
        try:
            lock = self._locked()
            try:
                plan = self._plan()
                self._meter.start(plan.total_bytes)
                self._require_space(plan)
                return Fetched(plan.revision, tuple(self._file(file, plan) for file in plan.files))
            finally:
                lock.release()
        except OSError as exc:
            raise self._disk_error(exc) from exc
        except AppError as error:
            if error.code in (ErrorCode.DISK_FULL, ErrorCode.DATA_DIR_UNWRITABLE):
                raise self._disk_error(error.__cause__) from error
            raise
        finally:
            self._connections.close()

    def _locked(self) -> InstanceLock:
        """Take the directory; the child of a Tern that was killed lets go of it within a stall's time."""
        deadline = self._machine.clock() + self._request.timing.stall_s + 5
        while True:
            try:
                return InstanceLock.acquire(self._request.directory / LOCK_FILE)
            except AppError as error:
                if error.code is not ErrorCode.ALREADY_RUNNING:
                    raise
                if self._machine.clock() > deadline:
                    raise AppError(ErrorCode.DOWNLOAD_RUNNING, name=self._request.repository) from error
                self._meter.tell(DownloadState.CONNECTING, "")
                self._machine.sleep(0.2)

    def _plan(self) -> Plan:
        """Return the revision and the files with their sizes and hashes: as begun, else as the hub tells them."""
        path = self._request.directory / PLAN_FILE
        begun = read_plan(path, self._request)
        if begun is not None:
            return begun
        self._meter.tell(DownloadState.CONNECTING, "")
        revision, names = self._request.revision, [file.name for file in self._request.files]
        if revision is None or not names:
            revision, published = self._patiently(lambda: self._connections.repository(self._request.revision))
            names = names or wanted_names(published)
        if not _SHA1.fullmatch(revision) or not names:
            raise self._changed(self._request.repository, "there are no files of a model")
        asked = {file.name: file for file in self._request.files}
        found = [self._described(asked.get(name) or WantedFile(name, None, None), revision) for name in names]
        files = sorted((file for file in found if file is not None), key=lambda file: file.n_bytes or 0)
        if not files:
            raise self._changed(self._request.repository, "there are no files of a model")
        plan = Plan(self._request.repository, revision, tuple(files))
        write_atomically(path, json.dumps(asdict(plan)).encode("ascii"))
        return plan

    def _described(self, file: WantedFile, revision: str) -> WantedFile | None:
        """Return `file` with what the hub says of it; None for one that is not published and not needed."""
        if not is_safe_name(file.name):
            raise self._changed(file.name[:80], "its name cannot be used")
        try:
            commit, n_bytes, tag = self._patiently(lambda: self._connections.describe(file.name, revision))
        except AppError as error:
            is_optional = file.sha256 is None and file.name.endswith((".json", ".jinja"))
            if is_optional and error.facts.get("reason") == "EntryNotFound":
                return None
            raise
        tag = (tag or "").lower()
        published = tag if _SHA256.fullmatch(tag) else None
        if commit is not None and commit != revision:
            raise self._changed(file.name, f"it is of revision {commit[:12]} instead of {revision[:12]}")
        if n_bytes is None or n_bytes < 0 or file.n_bytes not in (None, n_bytes):
            raise self._changed(file.name, f"it has {n_bytes} bytes instead of {file.n_bytes}")
        if published and file.sha256 not in (None, published):
            raise self._changed(file.name, f"its SHA-256 is {published[:12]}… instead of {str(file.sha256)[:12]}…")
        sha256 = file.sha256 or published
        git_sha1 = tag if sha256 is None and _SHA1.fullmatch(tag) else None
        return replace(file, n_bytes=n_bytes, sha256=sha256, git_sha1=git_sha1)

    def _file(self, file: WantedFile, plan: Plan) -> PinnedFile:
        """Return a file of the plan when it is there and right."""
        path, identity = self._request.directory / file.name, plan.identity(file)

        def on_checked(n_bytes: int) -> None:
            self._meter.add(DownloadState.CHECKING, file.name, n_bytes)

        if path.is_file():  # finished before
            sha256, is_right = file_hashes(path, identity, on_checked)
            if is_right:
                return PinnedFile(file.name, identity.n_bytes, sha256)
            self._tell_lost(RestartReason.BLOCK_DAMAGED, file.name, 0, path.stat().st_size)
            self._meter.take_back(path.stat().st_size)
            path.unlink()
        part = PartFile(path, identity, on_checked)
        try:
            if part.dropped is not None:
                dropped = part.dropped
                self._tell_lost(dropped.reason, file.name, dropped.kept_bytes, dropped.lost_bytes)
            self._complete(part, plan)
            self._meter.tell(DownloadState.FINISHING, file.name)
            part.commit()
            return PinnedFile(file.name, identity.n_bytes, part.sha256)
        finally:
            part.close()

    def _complete(self, part: PartFile, plan: Plan) -> None:
        """Receive what is missing until the whole is right."""
        for _ in range(_MAX_WRONG):
            while not part.is_complete:
                self._patiently(lambda: self._receive(part, plan.revision))
            if part.matches():
                return
            self._drop(part, RestartReason.HASH_WRONG)
        raise AppError(ErrorCode.DOWNLOAD_DAMAGED, file=part.identity.name, host=self._host)

    def _receive(self, part: PartFile, revision: str) -> None:
        """Receive what one connection gives."""
        name, n_bytes = part.identity.name, part.identity.n_bytes
        self._meter.tell(DownloadState.CONNECTING, name)
        self._meter.forget_speed()
        try:
            with self._connections.receive(self._connections.url(name, revision), part.n_bytes, n_bytes) as pieces:
                for piece in pieces:
                    self._take(part, piece)
        except RangeRefused:
            if not part.n_bytes:
                raise TryAgain(WaitReason.BAD_ANSWER, "the whole file is refused") from None
            self._drop(part, RestartReason.RANGE_REFUSED)
            return
        if not part.is_complete:
            raise TryAgain(WaitReason.CUT, f"{part.n_bytes} of {n_bytes} bytes")

    def _take(self, part: PartFile, piece: bytes) -> None:
        missing = part.identity.n_bytes - part.n_bytes
        if not missing:
            return  # more than was promised; the hash tells whether it is right so far
        part.write(piece[:missing])
        self._n_failed = self._n_bad_answers = 0
        self._meter.add(DownloadState.RECEIVING, part.identity.name, min(len(piece), missing))
        if self._meter.received_bytes >= self._next_disk_check:
            self._next_disk_check = self._meter.received_bytes + _CHECK_DISK_EVERY
            free = self._free_bytes()
            if free < SPARE_BYTES:
                raise self._no_space(self._meter.missing_bytes, free)

    def _require_space(self, plan: Plan) -> None:
        """Make sure that the rest fits, with a tenth to spare."""
        missing = plan.total_bytes - fetched_bytes(self._request.directory, plan)
        free = self._free_bytes()
        if missing > 0 and free < missing + missing // 10 + SPARE_BYTES:
            raise self._no_space(missing, free)

    def _patiently(self, attempt: Callable[[], _T]) -> _T:
        """Return what `attempt` returns, however often it has to be made."""
        while True:
            try:
                return attempt()
            except TryAgain as again:
                self._wait(again)

    def _wait(self, again: TryAgain) -> None:
        """Wait longer each time, never quite as long as another Tern, and say it every second."""
        timing = self._request.timing
        if again.reason is WaitReason.BAD_ANSWER:
            self._n_bad_answers += 1
            if self._n_bad_answers >= _MAX_BAD_ANSWERS:
                raise self._changed(self._request.repository, again.detail) from again
        longest = min(timing.longest_backoff_s, timing.backoff_s * 2 ** min(self._n_failed, 20))
        left = max(longest * (0.5 + self._machine.jitter() / 2), min(again.asked_s, timing.longest_asked_s))
        self._n_failed += 1
        while left > 0:
            self._send(DownloadWaiting(again.reason, again.detail, left))
            self._machine.sleep(min(1.0, left))
            left -= 1.0

    def _drop(self, part: PartFile, reason: RestartReason) -> None:
        dropped = part.restart(reason)
        self._meter.take_back(dropped.lost_bytes)
        self._tell_lost(reason, part.identity.name, dropped.kept_bytes, dropped.lost_bytes)

    def _tell_lost(self, reason: RestartReason, name: str, kept_bytes: int, lost_bytes: int) -> None:
        self._send(DownloadRestarted(reason, name, kept_bytes, lost_bytes))

    @property
    def _host(self) -> str:
        return urlsplit(self._request.endpoint).hostname or ""

    def _changed(self, file: str, reason: str) -> AppError:
        return AppError(ErrorCode.DOWNLOAD_CHANGED, file=file, host=self._host, reason=reason)

    def _no_space(self, needed_bytes: int, free_bytes: int) -> AppError:
        path = self._request.directory
        return AppError(ErrorCode.DOWNLOAD_NO_SPACE, path=path, needed_bytes=needed_bytes, free_bytes=free_bytes)

    def _free_bytes(self) -> int:
        return self._machine.free_bytes(self._request.directory)

    def _disk_error(self, exc: BaseException | None) -> AppError:
        try:
            free = self._free_bytes()
        except OSError:
            free = 0
        return disk_error(exc, self._request.directory, self._meter.missing_bytes, free)
