"""The real huggingface_hub against a hub of our own with faults; everything but the process around it."""

import random
import ssl
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from fake_hub import REVISION, FakeHub, Fault, running_hub
from fake_proxy import running_proxy

from core.errors import AppError, ErrorCode
from core.events import DownloadProgress, DownloadRestarted, DownloadWaiting, RestartReason, WaitReason
from core.models.download_fetch import Fetcher, Machine
from core.models.download_messages import Fetched, Message
from core.models.part_file import CHUNK_BYTES

pytestmark = pytest.mark.loopback

WEIGHTS = "model.safetensors"
FILES = {"config.json": b'{"a": 1}', WEIGHTS: random.Random(5).randbytes(700_001)}
ROOMY = Machine(sleep=lambda _s: None, free_bytes=lambda _path: 1 << 40)


def fetch(hub: FakeHub, directory: Path, machine: Machine = ROOMY, **changed: Any) -> tuple[Fetched, list[Message]]:
    events: list[Message] = []
    return Fetcher(hub.request(directory, **changed), events.append, machine).run(), events


def refusal(hub: FakeHub, directory: Path, machine: Machine = ROOMY, **changed: Any) -> AppError:
    with pytest.raises(AppError) as caught:
        fetch(hub, directory, machine, **changed)
    assert not (directory / WEIGHTS).exists()
    return caught.value


def reasons(events: list[Message]) -> set[object]:
    return {event.reason for event in events if isinstance(event, DownloadWaiting | DownloadRestarted)}


def is_exact(hub: FakeHub, directory: Path) -> bool:
    return all((directory / name).read_bytes() == data for name, data in hub.files.items())


def test_files_arrive_with_their_hashes_and_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_canary")
    with running_hub(FILES) as hub:
        fetched, events = fetch(hub, tmp_path)
        assert is_exact(hub, tmp_path)
        assert {file.name: file.sha256 for file in fetched.files} == {name: hub.sha256(name) for name in FILES}
        assert (fetched.revision, hub.tokens) == (REVISION, [])
    last = [event for event in events if isinstance(event, DownloadProgress)][-1]
    assert last.done_bytes == last.total_bytes == sum(map(len, FILES.values()))


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(cut_at=300_000), WaitReason.CUT),
        (Fault(cut_at=0), WaitReason.CUT),
        (Fault(stall_at=200_000), WaitReason.STALLED),
        (Fault(status=500), WaitReason.BUSY),
        (Fault(status=429, retry_after="7"), WaitReason.BUSY),
        (Fault(length_delta=-5), WaitReason.BAD_ANSWER),
        (Fault(length_delta=5), WaitReason.BAD_ANSWER),
        (Fault(flip_at=400_000), RestartReason.HASH_WRONG),
    ],
    ids=lambda value: value.value if not isinstance(value, Fault) else "",
)
def test_a_fault_costs_time_but_no_byte(fault: Fault, reason: object, tmp_path: Path) -> None:
    with running_hub(FILES, [Fault(), fault]) as hub:
        _, events = fetch(hub, tmp_path)
        assert is_exact(hub, tmp_path)
        assert reasons(events) == {reason}


def test_a_broken_connection_goes_on_at_the_very_byte(tmp_path: Path) -> None:
    cuts = [Fault(cut_at=at) for at in (1, 70_000, 262_144, 400_123)]
    with running_hub(FILES, [Fault(), *cuts]) as hub:
        fetch(hub, tmp_path)
        assert hub.starts(WEIGHTS) == [0, 1, 70_000, 262_144, 400_123]


@pytest.mark.parametrize("cut", [5, 262_145, 600_000])
def test_a_download_that_was_stopped_goes_on_within_a_chunk(cut: int, tmp_path: Path) -> None:
    class StopError(Exception): ...

    def stop(_s: float) -> None:
        raise StopError

    with running_hub(FILES, [Fault(), Fault(cut_at=cut)]) as hub:
        with pytest.raises(StopError):
            fetch(hub, tmp_path, Machine(sleep=stop, free_bytes=ROOMY.free_bytes))
        asked_before = len(hub.requests)
        fetch(hub, tmp_path)
        assert is_exact(hub, tmp_path)
        assert cut - CHUNK_BYTES < hub.starts(WEIGHTS)[-1] <= cut
        assert not any("HEAD" in request for request in hub.requests[asked_before:])  # the plan is kept


@pytest.mark.parametrize("fault", [Fault(ignores_range=True), Fault(status=416)])
def test_a_server_without_ranges_is_begun_again_and_it_is_said(fault: Fault, tmp_path: Path) -> None:
    with running_hub(FILES, [Fault(), Fault(cut_at=300_000), fault]) as hub:
        _, events = fetch(hub, tmp_path)
        assert is_exact(hub, tmp_path)
        assert reasons(events) == {WaitReason.CUT, RestartReason.RANGE_REFUSED}


def test_a_range_that_was_not_asked_for_is_not_taken(tmp_path: Path) -> None:
    with running_hub(FILES, [Fault(), Fault(cut_at=300_000), Fault(wrong_range=True)]) as hub:
        _, events = fetch(hub, tmp_path)
        assert is_exact(hub, tmp_path)
        assert WaitReason.BAD_ANSWER in reasons(events)


def test_a_slow_drip_is_no_stall(tmp_path: Path) -> None:
    with running_hub({"config.json": b"x" * 3000}, [Fault(drip_bytes=7)]) as hub:
        _, events = fetch(hub, tmp_path)
        assert reasons(events) == set()


def test_a_finished_file_that_was_damaged_is_fetched_again(tmp_path: Path) -> None:
    with running_hub(FILES) as hub:
        fetch(hub, tmp_path)
        (tmp_path / WEIGHTS).write_bytes(FILES[WEIGHTS][:-1] + b"\0")
        _, events = fetch(hub, tmp_path)
        assert is_exact(hub, tmp_path)
        assert reasons(events) == {RestartReason.BLOCK_DAMAGED}


def test_a_file_that_always_comes_damaged_is_refused(tmp_path: Path) -> None:
    with running_hub(FILES, [Fault(), *[Fault(flip_at=9)] * 3]) as hub:
        assert refusal(hub, tmp_path).code is ErrorCode.DOWNLOAD_DAMAGED


def test_unknown_hashes_are_taken_from_the_hub_and_checked(tmp_path: Path) -> None:
    with running_hub(FILES, [Fault(flip_at=3)]) as hub:
        fetched, events = fetch(hub, tmp_path, files=(), revision=None)
        assert is_exact(hub, tmp_path)
        assert {file.name for file in fetched.files} == set(FILES)
        assert reasons(events) == {RestartReason.HASH_WRONG}  # config.json, by what git calls it


def _other_commit(hub: FakeHub) -> None:
    hub.commit_told = "f" * 40


def _other_file(hub: FakeHub) -> None:
    hub.files[WEIGHTS] = FILES[WEIGHTS][:-1] + b"\0"


def _other_size(hub: FakeHub) -> None:
    hub.files[WEIGHTS] = FILES[WEIGHTS] + b"\0"


def _nonsense(hub: FakeHub) -> None:
    hub.faults = deque([Fault(length_delta=1)] * 9)


@pytest.mark.parametrize("change", [_other_commit, _other_file, _other_size, _nonsense])
def test_what_is_not_the_published_file_is_refused(change: Callable[[FakeHub], None], tmp_path: Path) -> None:
    with running_hub(FILES) as hub:
        request = hub.request(tmp_path)
        change(hub)
        with pytest.raises(AppError) as caught:
            Fetcher(request, lambda _event: None, ROOMY).run()
    assert caught.value.code is ErrorCode.DOWNLOAD_CHANGED
    assert not (tmp_path / WEIGHTS).exists()


def test_a_missing_repository_is_said_at_once(tmp_path: Path) -> None:
    with running_hub(FILES) as hub:
        error = refusal(hub, tmp_path, repository="owner/gone")
        assert (error.code, error.facts["host"]) == (ErrorCode.DOWNLOAD_NOT_FOUND, "127.0.0.1")


@pytest.mark.parametrize("where", ["faults", "metadata_faults"])
def test_a_redirect_without_encryption_is_refused(where: str, tmp_path: Path) -> None:
    with running_hub(FILES) as hub:
        getattr(hub, where).append(Fault(redirect_to="http://198.51.100.7/file"))
        error = refusal(hub, tmp_path)
    assert (error.code, error.facts["host"]) == (ErrorCode.DOWNLOAD_INSECURE, "198.51.100.7")


def test_a_full_disk_stops_before_anything_is_fetched(tmp_path: Path) -> None:
    with running_hub(FILES) as hub:
        error = refusal(hub, tmp_path, Machine(free_bytes=lambda _path: 1000))
        assert error.code is ErrorCode.DOWNLOAD_NO_SPACE
        assert error.facts["needed_bytes"] == sum(map(len, FILES.values()))
        assert hub.served == []


def test_a_disk_that_fills_up_stops_the_download_and_keeps_it(tmp_path: Path) -> None:
    free = iter([1 << 40, 5])
    with running_hub(FILES) as hub:
        machine = Machine(sleep=ROOMY.sleep, free_bytes=lambda _path: next(free, 5))
        assert refusal(hub, tmp_path, machine).code is ErrorCode.DOWNLOAD_NO_SPACE
        fetch(hub, tmp_path)
        assert is_exact(hub, tmp_path)


def test_a_proxy_that_is_not_there_is_named(tmp_path: Path) -> None:
    with running_hub(FILES) as hub:
        error = refusal(hub, tmp_path, proxy="http://me:secret@127.0.0.1:9")
    assert (error.code, error.facts["proxy"]) == (ErrorCode.PROXY_REFUSED, "http://127.0.0.1:9")


def test_a_proxy_that_wants_a_password_is_named(tmp_path: Path) -> None:
    with running_hub(FILES) as proxy:
        proxy.metadata_faults.append(Fault(status=407))
        error = refusal(proxy, tmp_path, proxy=proxy.url)
    assert error.code is ErrorCode.PROXY_REFUSED


def _server_context(authority: trustme.CA, days: tuple[int, int]) -> ssl.SSLContext:
    now = datetime.now(UTC)
    certificate = authority.issue_cert(
        "localhost", not_before=now + timedelta(days=days[0]), not_after=now + timedelta(days=days[1])
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@pytest.mark.parametrize(
    ("days", "is_known", "code"),
    [
        ((-1, 1), True, None),
        ((-1, 1), False, ErrorCode.CERTIFICATE_UNTRUSTED),
        ((2, 3), True, ErrorCode.CLOCK_WRONG),
        ((-3, -2), True, ErrorCode.CLOCK_WRONG),
    ],
    ids=["trusted", "unknown authority", "not yet valid", "expired"],
)
def test_certificates(days: tuple[int, int], is_known: bool, code: ErrorCode | None, tmp_path: Path) -> None:
    authority = trustme.CA()
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    with running_hub(FILES, tls=_server_context(authority, days)) as hub:
        chosen = {"ca_file": ca_file if is_known else None}
        if code is None:
            fetch(hub, tmp_path / "to", **chosen)
            assert is_exact(hub, tmp_path / "to")
        else:
            error = refusal(hub, tmp_path / "to", **chosen)
            assert (error.code, error.facts["host"]) == (code, "localhost")


def test_a_proxy_carries_what_stays_encrypted(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with running_hub(FILES, tls=_server_context(authority, (-1, 1))) as hub, running_proxy() as proxy:
        fetch(hub, tmp_path / "to", proxy=proxy.url, ca_file=tmp_path / "ca.pem")
        assert is_exact(hub, tmp_path / "to")
        assert set(proxy.asked) == {f"CONNECT {hub.url.removeprefix('https://')}"}


@pytest.mark.parametrize("answer", [b"HTTP/1.1 403 Forbidden", b"HTTP/1.1 407 Proxy Authentication Required"])
def test_a_proxy_that_does_not_let_through_is_named(answer: bytes, tmp_path: Path) -> None:
    tls = _server_context(trustme.CA(), (-1, 1))
    with running_hub(FILES, tls=tls) as hub, running_proxy(answer) as proxy:
        error = refusal(hub, tmp_path, proxy=proxy.url)
        assert (error.code, error.facts["proxy"]) == (ErrorCode.PROXY_REFUSED, proxy.url)
        assert hub.requests == []


def test_the_systems_proxy_is_used_and_can_be_turned_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with running_hub(FILES, tls=_server_context(authority, (-1, 1))) as hub, running_proxy() as proxy:
        for name in ("https_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.setattr("core.models.download_http.is_loopback", lambda _host: False)  # else it goes without
        fetch(hub, tmp_path / "with", proxy=None, ca_file=tmp_path / "ca.pem")
        assert proxy.asked != []
        proxy.asked.clear()
        fetch(hub, tmp_path / "without", proxy="", ca_file=tmp_path / "ca.pem")
        assert proxy.asked == []


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_a_file_that_is_no_certificate_is_named(content: bytes | None, tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    if content is not None:
        ca_file.write_bytes(content)
    with running_hub(FILES) as hub:
        error = refusal(hub, tmp_path / "to", ca_file=ca_file)
    assert error.code is ErrorCode.CA_UNREADABLE
