"""What Tern and its download child say to each other: one JSON object a line.

Knows the values and how they are written; must not know who sends them. Addresses are checked here, for both sides.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

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
from core.models.receipts import PinnedFile

PUBLIC_ENDPOINT: Final = "https://huggingface.co"
MAX_LINE_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Timing:
    """How patient a download is, in seconds."""

    stall_s: float = 20.0  # without a byte; then the connection is made again
    connect_s: float = 15.0
    backoff_s: float = 1.0  # before the first repetition; doubled each time
    longest_backoff_s: float = 60.0
    longest_asked_s: float = 300.0  # of what a server may ask for (Retry-After)


@dataclass(frozen=True, slots=True)
class WantedFile:
    """A file as the catalogue, or later the hub, describes it; None where that is not known."""

    name: str
    n_bytes: int | None
    sha256: str | None
    git_sha1: str | None = None  # of small files, for which the hub knows no SHA-256


@dataclass(frozen=True, slots=True)
class Request:
    """All that the child is told."""

    repository: str
    revision: str | None  # None: what the hub's "main" is now
    files: tuple[WantedFile, ...]  # empty: those of a model
    directory: Path  # where the parts go; it exists
    endpoint: str
    proxy: str | None  # None: the system's; "": none
    ca_file: Path | None
    timing: Timing = field(default_factory=Timing)


@dataclass(frozen=True, slots=True)
class Fetched:
    """Everything is there and checked."""

    revision: str
    files: tuple[PinnedFile, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """It cannot go on."""

    error: AppError


Message = DownloadProgress | DownloadWaiting | DownloadRestarted | Connected | Fetched | Refused


def encode_request(request: Request) -> bytes:
    """Return the line for the child."""
    stored = asdict(request) | {
        "directory": str(request.directory),
        "ca_file": None if request.ca_file is None else str(request.ca_file),
    }
    return _line(stored)


def decode_request(line: bytes) -> Request:
    """Return what encode_request() wrote."""
    stored = json.loads(line)
    stored["files"] = tuple(WantedFile(**file) for file in stored["files"])
    stored["directory"] = Path(stored["directory"])
    stored["ca_file"] = None if stored["ca_file"] is None else Path(stored["ca_file"])
    stored["timing"] = Timing(**stored["timing"])
    return Request(**stored)


def encode(message: Message) -> bytes:
    """Return the line for Tern."""
    match message:
        case Connected():
            return _line(
                {"kind": "Connected", "at": message.at.isoformat(), "host": message.host, "port": message.port}
            )
        case Refused(error):
            facts = {key: str(fact) if isinstance(fact, Path) else fact for key, fact in error.facts.items()}
            return _line({"kind": "Refused", "code": error.code, "facts": facts})
        case _:
            return _line({"kind": type(message).__name__, **asdict(message)})


def decode(line: bytes) -> Message:
    """Return what encode() wrote.

    Raises:
        ValueError: it is something else.
    """
    try:
        stored = json.loads(line)
        return _DECODERS[stored.pop("kind")](stored)
    except (TypeError, KeyError, AttributeError, RecursionError) as exc:
        raise ValueError("not a message") from exc


def endpoint_of(text: str) -> str:
    """Return the address of a hub or mirror without its last slash: https, or http on this computer.

    Raises:
        AppError: ADDRESS_INVALID.
    """
    address = text.strip().rstrip("/")
    try:
        parts = urlsplit(address)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        raise AppError(ErrorCode.ADDRESS_INVALID, address=text) from None
    plain = parts.hostname and not (parts.username or parts.password or parts.query or parts.fragment)
    if not plain or not port_is_fine or not is_safe_address(parts.scheme, parts.hostname or ""):
        raise AppError(ErrorCode.ADDRESS_INVALID, address=text)
    return address


def proxy_of(text: str | None) -> str | None:
    """Return the address of a proxy; None and "" as they are.

    Raises:
        AppError: ADDRESS_INVALID.
    """
    if not text:
        return text
    address = text.strip() if "://" in text else f"http://{text.strip()}"
    try:
        parts = urlsplit(address)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        port_is_fine = False
    if port_is_fine and parts.scheme in ("http", "https") and parts.hostname and not parts.path.strip("/"):
        return address
    raise AppError(ErrorCode.ADDRESS_INVALID, address=without_password(address))


def without_password(address: str) -> str:
    """Return `address` without user name and password, for messages."""
    scheme, mark, rest = address.rpartition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"


def is_safe_address(scheme: str, host: str) -> bool:
    """Tell whether an address may be fetched from: encrypted, or on this very computer."""
    return scheme == "https" or (scheme == "http" and is_loopback(host))


def is_loopback(host: str) -> bool:
    """Tell whether `host` is this computer, by its literal address or as localhost."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _line(stored: Mapping[str, object]) -> bytes:
    return (json.dumps(stored) + "\n").encode("ascii")


def _progress(stored: dict[str, object]) -> DownloadProgress:
    return DownloadProgress(**stored | {"state": DownloadState(str(stored["state"]))})  # type: ignore[arg-type]


def _waiting(stored: dict[str, object]) -> DownloadWaiting:
    return DownloadWaiting(**stored | {"reason": WaitReason(str(stored["reason"]))})  # type: ignore[arg-type]


def _restarted(stored: dict[str, object]) -> DownloadRestarted:
    return DownloadRestarted(**stored | {"reason": RestartReason(str(stored["reason"]))})  # type: ignore[arg-type]


def _connected(stored: dict[str, object]) -> Connected:
    return Connected(datetime.fromisoformat(str(stored["at"])), str(stored["host"]), int(str(stored["port"])))


def _fetched(stored: dict[str, object]) -> Fetched:
    files = stored["files"]
    if not isinstance(files, list):
        raise TypeError("no files")
    return Fetched(str(stored["revision"]), tuple(PinnedFile(**file) for file in files))


def _refused(stored: dict[str, object]) -> Refused:
    facts = stored["facts"]
    if not isinstance(facts, dict):
        raise TypeError("no facts")
    return Refused(AppError(ErrorCode(str(stored["code"])), **facts))


_DECODERS: Final[Mapping[str, Callable[[dict[str, object]], Message]]] = {
    "DownloadProgress": _progress,
    "DownloadWaiting": _waiting,
    "DownloadRestarted": _restarted,
    "Connected": _connected,
    "Fetched": _fetched,
    "Refused": _refused,
}
