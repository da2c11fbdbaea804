"""What crosses between Tern and its child comes out as it went in, and nothing else is taken."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.errors import AppError, ErrorCode
from core.events import (
    Connected,
    DownloadProgress,
    DownloadRestarted,
    DownloadState,
    DownloadWaiting,
    RestartReason,
    WaitReason,
)
from core.models.connections import append_connection, read_connections
from core.models.download_messages import (
    Fetched,
    Message,
    Refused,
    Request,
    WantedFile,
    decode,
    decode_request,
    encode,
    encode_request,
    endpoint_of,
    proxy_of,
    without_password,
)
from core.models.download_plan import Plan, read_plan, wanted_names
from core.models.download_progress import Meter
from core.models.receipts import PinnedFile

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "message",
    [
        DownloadProgress(DownloadState.RECEIVING, "f", 1, 2, 3.5, None),
        DownloadWaiting(WaitReason.STALLED, "d\n\u2028", 0.5),
        DownloadRestarted(RestartReason.HASH_WRONG, "f", 0, 9),
        Connected(NOW, "host", 443),
        Fetched("r", (PinnedFile("f", 1, "0" * 64),)),
    ],
)
def test_messages_come_out_as_they_went_in(message: Message) -> None:
    line = encode(message)
    assert line.count(b"\n") == 1
    assert decode(line) == message


def test_errors_and_requests_come_out_as_they_went_in() -> None:
    error = AppError(ErrorCode.DOWNLOAD_NO_SPACE, path=Path("a/b"), needed_bytes=5)
    found = decode(encode(Refused(error)))
    assert isinstance(found, Refused)
    assert (found.error.code, found.error.facts) == (error.code, {"path": str(Path("a/b")), "needed_bytes": 5})
    request = Request("o/n", None, (WantedFile("f", 3, None),), Path("d"), "https://h", None, Path("c"))
    assert decode_request(encode_request(request)) == request


@pytest.mark.parametrize("line", [b"", b"x", b"[]", b'{"kind": "Popen"}', b'{"kind": "Refused", "code": "x"}', b"{}"])
def test_what_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):
        decode(line)


@pytest.mark.parametrize(
    "address", ["https://mirror.example", "http://127.0.0.1:80/", "http://localhost:1", "http://[::1]:2"]
)
def test_good_addresses_of_a_hub(address: str) -> None:
    assert endpoint_of(address) == address.rstrip("/")


def test_addresses_of_proxies() -> None:
    assert proxy_of("proxy.example:3128") == "http://proxy.example:3128"
    assert (proxy_of(None), proxy_of("")) == (None, "")
    assert without_password("http://me:word@proxy:1") == "http://proxy:1"
    for bad in ("socks5://p:1", "http://", "http://p:99999", "http://p/path"):
        with pytest.raises(AppError) as caught:
            proxy_of(bad)
        assert caught.value.code is ErrorCode.ADDRESS_INVALID


@pytest.mark.parametrize(
    ("published", "wanted"),
    [
        (["config.json", "a.safetensors", "x.py", "README.md"], ["config.json", "a.safetensors"]),
        (["m-f32.gguf", "m-i2_s.gguf", "m-tq1_0.gguf"], ["m-i2_s.gguf"]),
        (["only.gguf"], ["only.gguf"]),
        (["../x.safetensors", "con.safetensors", "a/b.gguf"], []),
    ],
)
def test_which_files_of_a_repository_are_a_model(published: list[str], wanted: list[str]) -> None:
    assert wanted_names(published) == wanted


def test_a_plan_that_is_none_counts_as_absent(tmp_path: Path) -> None:
    for text in (
        "",
        "[]",
        '{"files": [{"name": "../x", "n_bytes": 1, "sha256": null}], "repository": "r", "revision": ""}',
    ):
        (tmp_path / "plan").write_text(text, encoding="utf-8")
        assert read_plan(tmp_path / "plan") is None


def test_what_was_connected_to_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "connections.jsonl"
    assert read_connections(path) == ()
    append_connection(path, Connected(NOW, "a", 443))
    path.write_bytes(path.read_bytes() + b"nonsense\n[]\n{}\n")
    append_connection(path, Connected(NOW, "b", 80))
    assert [known.host for known in read_connections(path)] == ["a", "b"]


def test_speed_and_time_left_come_from_the_last_seconds() -> None:
    events: list[DownloadProgress] = []
    now = [0.0]
    meter = Meter(events.append, lambda: now[0])
    meter.start(100_000)
    meter.add(DownloadState.CHECKING, "f", 50_000)
    meter.forget_speed()
    for _ in range(10):
        now[0] += 0.5
        meter.add(DownloadState.RECEIVING, "f", 1_000)
    last = events[-1]
    assert (last.done_bytes, last.total_bytes) == (60_000, 100_000)
    assert last.bytes_per_s == pytest.approx(2_000, rel=0.2)
    assert last.seconds_left == pytest.approx(20, rel=0.2)
    assert Plan("r", "f" * 40, ()).total_bytes == 0
