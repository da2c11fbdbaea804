"""The sentences about models, this computer and the network; no Qt.

Knows words; must not know where a figure comes from.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from urllib.parse import urlsplit

from app.download_words import seconds_in_words
from app.models.tasks import KeptModel, NetworkRecord, Origin
from app.notices import bytes_in_words
from core.models.catalogue import CatalogueModel
from core.models.computer import Computer, Fit, Problem, words_per_s
from core.models.download import RemoteFile
from core.models.manage import FileCheck
from core.offline import Check, CheckName, Counters

PUBLIC_HOST = "huggingface.co"
_ORIGINS = {
    Origin.STARTER: "comes with Tern",
    Origin.STORED: "stored by Tern",
    Origin.REFERENCE: "lies elsewhere; Tern only knows where",
    Origin.GONE: "no longer where it was",
    Origin.FOUND: "found in a folder; not stored by Tern",
}
_CHECKS = {
    CheckName.HOOK_INSTALLED: "The guard is in place",
    CheckName.CREATE_SOCKET: "Opening a socket",
    CheckName.CONNECT: "Connecting to an address",
    CheckName.LOOK_UP_NAME: "Looking up a name",
    CheckName.LISTEN: "Waiting for connections",
    CheckName.NO_NETWORK_LIBRARY: "No network library is loaded",
}


def memory_in_words(n_bytes: int) -> str:
    """Return an amount of memory as people say it: 16 GB where the system tells 15.5 GiB."""
    gib = n_bytes / (1 << 30)
    return f"{round(gib)} GB" if gib >= 1.75 else bytes_in_words(n_bytes)


def computer_sentence(computer: Computer, fit: Fit | None, weights_per_s: float | None) -> str:
    """Return what this computer is and whether it is enough for the recommended model."""
    n = computer.physical_cores
    parts = ["1 core" if n == 1 else f"{n} cores"]
    if computer.memory_bytes is not None:
        parts.append(memory_in_words(computer.memory_bytes))
    sentence = f"This computer: {', '.join(parts)}: {_verdict(fit)}"
    speed = None if fit is None or weights_per_s is None else words_per_s(fit.model, weights_per_s)
    return f"{sentence}; about {speed_in_words(speed)}." if speed else f"{sentence}."


def speed_in_words(speed: float) -> str:
    """Return words a second."""
    return f"{speed:.0f} words a second" if speed >= 10 else f"{speed:.1f} words a second"


def fit_words(fit: Fit, computer: Computer) -> str:
    """Return whether a model fits, and if not, what is missing."""
    problems = set(fit.problems)
    if Problem.CPU_UNSUPPORTED in problems:
        return "This processor cannot run it."
    if Problem.TOO_LITTLE_MEMORY in problems:
        has = "" if computer.memory_bytes is None else f"; this computer has {memory_in_words(computer.memory_bytes)}"
        return f"Needs {bytes_in_words(fit.needed_memory_bytes)} of memory{has}."
    if Problem.TOO_LITTLE_DISK in problems:
        return f"Needs {bytes_in_words(fit.needed_disk_bytes or 0)} of free disk."
    if Problem.LITTLE_FREE_MEMORY in problems:
        return f"Fits when other programs are closed: it needs {bytes_in_words(fit.needed_memory_bytes)} of memory."
    return f"Fits: it needs {bytes_in_words(fit.needed_memory_bytes)} of memory."


def size_words(model: CatalogueModel) -> str:
    """Return the size of a download."""
    return "told by the server" if model.download_bytes is None else bytes_in_words(model.download_bytes)


def host_words(model: CatalogueModel, endpoint: str) -> str:
    """Return where a model comes from."""
    host = urlsplit(endpoint).hostname if endpoint else PUBLIC_HOST
    return f"{host or endpoint}, {model.repository}"


def checksum_words(model: CatalogueModel) -> str:
    """Return the hash of the largest file, which is that of the weights."""
    known = [file for file in model.files if file.sha256]
    if not known:
        return "told by the server, and kept from then on"
    return f"SHA-256 {max(known, key=lambda file: file.n_bytes or 0).sha256}"


def progress_line(done_bytes: int, total_bytes: int | None, bytes_per_s: float, seconds_left: float | None) -> str:
    """Return how far a download is: "412 MB of 1.2 GB · 8 MB/s · 2 min left"."""
    parts = [bytes_in_words(done_bytes) if not total_bytes else f"{_of(done_bytes, total_bytes)}"]
    if bytes_per_s >= 1:
        parts.append(f"{bytes_in_words(round(bytes_per_s))}/s")
    if seconds_left is not None:
        parts.append(f"{seconds_in_words(seconds_left)} left")
    return " · ".join(parts)


def offline_text(model: CatalogueModel, files: Sequence[RemoteFile]) -> str:
    """Return what to fetch on another computer, to copy, print or carry."""
    if not files:
        return f"All files of https://{PUBLIC_HOST}/{model.repository}, into one folder called {model.name}."
    lines = [f"Fetch these {len(files)} files into one folder called {model.name}:", ""]
    for file in files:
        size = "size not known beforehand" if file.n_bytes is None else f"{file.n_bytes:,} bytes"
        lines += [file.url, f"    {size}, SHA-256 {file.sha256 or 'not known beforehand'}"]
    return "\n".join(lines)


def kept_words(kept: KeptModel) -> str:
    """Return a model's size, memory and where it came from."""
    parts = [bytes_in_words(kept.n_bytes)] if kept.n_bytes else []
    if kept.memory_bytes is not None:
        parts.append(f"{bytes_in_words(kept.memory_bytes)} of memory")
    parts.append("searches documents; it does not chat" if kept.model.is_embedding else _ORIGINS[kept.origin])
    return " · ".join(parts)


def removal_words(kept: KeptModel) -> str:
    """Return what removing a model means."""
    if kept.model.reference is not None:
        return f"Tern forgets it. Its files stay where they are: {kept.model.path}"
    return (
        f"{bytes_in_words(kept.n_bytes)} are deleted from {kept.model.path}. This cannot be undone; "
        "the model can be downloaded or imported again."
    )


def verified_words(name: str, checks: Sequence[FileCheck]) -> str:
    """Return what came of verifying a model."""
    if not checks:
        return (
            f"{name} is none of the published models and was not stored by Tern: there is nothing to compare it with."
        )
    bad = [check for check in checks if not check.ok]
    if bad:
        found = "; ".join(f"{check.name}: {check.problem}" for check in bad)
        return f"{name} is not as it should be: {found}. Remove it and get it again."
    published = sum(check.is_published for check in checks)
    files = "1 file" if len(checks) == 1 else f"{len(checks)} files"
    return f"{name} is intact: {files} as they were stored, {published} of them compared with what is published."


def connections_words(counters: Counters, n_connections: int) -> str:
    """Return the few words beside the padlock; `n_connections` are the downloads' since Tern started."""
    if counters.since is None:
        return "Offline"
    since = clock_words(counters.since)
    if n_connections:
        connections = "1 connection" if n_connections == 1 else f"{n_connections} connections"
        return f"{connections} for downloads since {since}"
    return f"Offline: 0 connections since {since}"


def refused_words(counters: Counters) -> str:
    """Return what the guard has refused."""
    if counters.since is None:
        return "The guard is not in place in this process."
    since = clock_words(counters.since)
    if not counters.blocked:
        return f"Since {since}, nothing in Tern has tried to open a connection. It would have been refused."
    attempts = "1 attempt" if counters.blocked == 1 else f"{counters.blocked} attempts"
    return f"Since {since}, {attempts} to use the network were refused."


def self_test_lines(checks: Iterable[Check]) -> list[tuple[str, bool]]:
    """Return a line for each thing that was tried, and whether it is as it should be."""
    lines = []
    for check in checks:
        name = _CHECKS[check.name]
        if check.name in (CheckName.HOOK_INSTALLED, CheckName.NO_NETWORK_LIBRARY):
            words = f"{name}: {'yes' if check.is_blocked else 'no'}"
        else:
            words = f"{name}: {'refused' if check.is_blocked else 'was possible'}"
        lines.append((words if check.is_blocked or not check.detail else f"{words} ({check.detail})", check.is_blocked))
    return lines


def record_lines(record: NetworkRecord) -> list[str]:
    """Return the hosts that downloads have ever connected to, and what was received, newest first."""
    hosts: dict[str, list[datetime]] = {}
    for each in record.connections:
        hosts.setdefault(f"{each.host}:{each.port}", []).append(each.at)
    lines = []
    for host, times in sorted(hosts.items(), key=lambda item: item[1][-1], reverse=True):
        count = "once" if len(times) == 1 else f"{len(times)} times, last"
        lines.append(f"{host}: {count} on {day_words(times[-1])}")
    received = [
        f"{each.name}: {bytes_in_words(each.n_bytes)} received, {day_words(each.at)}" for each in record.transfers
    ]
    return lines + received[::-1]


def clock_words(at: datetime) -> str:
    """Return a time of day here."""
    return at.astimezone().strftime("%H:%M")


def day_words(at: datetime) -> str:
    """Return date and time here."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M")


def _verdict(fit: Fit | None) -> str:
    if fit is None or not fit.problems:
        return "fine"
    problems = set(fit.problems)
    if Problem.CPU_UNSUPPORTED in problems:
        return "its processor cannot run models"
    if Problem.TOO_LITTLE_MEMORY in problems:
        return f"too little memory for {fit.model.title}; a smaller model may fit"
    if Problem.TOO_LITTLE_DISK in problems:
        return f"fine, but the disk is too full: {bytes_in_words(fit.needed_disk_bytes or 0)} are needed"
    return "fine when other programs leave it some memory"


def _of(done_bytes: int, total_bytes: int) -> str:
    done, total = bytes_in_words(done_bytes), bytes_in_words(total_bytes)
    return f"{done} of {total}"
