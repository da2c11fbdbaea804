"""How the extraction child binds itself before it opens a stranger's file: memory, time, no network, nothing written.

Knows what systems offer for that; must not know documents. On Linux the system enforces memory and processor time, on
Windows a job object does; on macOS, which ignores a limit of address space, `is_too_large` is asked now and then.
Everywhere an audit hook refuses sockets, programs and writing, and a timer in C ends the process whatever it does.
"""

import faulthandler
import os
import re
import sys
from typing import IO, Final

from core import offline

_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_REFUSED_NAMES: Final = (
    "subprocess.Popen os.system os.exec os.fork os.forkpty os.posix_spawn os.spawn os.startfile os.remove "
    "os.rename os.rmdir os.mkdir os.link os.symlink os.truncate os.chmod os.chown os.kill os.putenv shutil.rmtree "
    "shutil.move shutil.copyfile ctypes.set_errno winreg.SetValue"
)
_REFUSED: Final = frozenset(_REFUSED_NAMES.split())
_CPU_SLACK_S: Final = 2


class Confinement:
    """The bounds of this process; made once."""

    def __init__(self, memory_bytes: int) -> None:
        """Put them up; they cannot be taken down."""
        self._memory_bytes = memory_bytes
        self._nowhere: IO[bytes] = open(os.devnull, "wb")  # noqa: SIM115, PTH123 - open as long as the process
        if sys.platform == "win32":
            _join_job(memory_bytes)
        else:
            _set_limits(memory_bytes)
        sys.dont_write_bytecode = True
        offline.install()
        sys.addaudithook(_on_event)

    def allow_s(self, seconds: float, *, is_work: bool) -> None:
        """End this process after so many seconds from now, of processor time too where it works."""
        faulthandler.dump_traceback_later(seconds, exit=True, file=self._nowhere)
        if is_work and sys.platform != "win32":
            import resource

            used = resource.getrusage(resource.RUSAGE_SELF)
            soft = int(used.ru_utime + used.ru_stime + seconds) + _CPU_SLACK_S
            resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))

    def is_too_large(self, share: float = 1.0) -> bool:
        """Tell whether this process has ever held more than a share of its memory; False where nobody knows."""
        return peak_bytes() > share * self._memory_bytes


def peak_bytes() -> int:
    """Return the most memory that this process has held; 0 where the system does not tell.

    On Linux not from getrusage(): there a child begins with the peak of the process that started it, and Tern may hold
    gigabytes of a model.
    """
    if sys.platform == "win32":
        return 0  # the job object counts there
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        with open("/proc/self/status", "rb") as file:  # noqa: PTH123 - called ten times a second
            found = re.search(rb"VmHWM:\s*(\d+) kB", file.read())
    except OSError:
        return 0
    return 1024 * int(found[1]) if found else 0


def _set_limits(memory_bytes: int) -> None:
    if sys.platform == "win32":
        return
    import resource

    wanted = {
        "RLIMIT_AS": memory_bytes, "RLIMIT_DATA": memory_bytes, "RLIMIT_FSIZE": 0, "RLIMIT_CORE": 0,
        "RLIMIT_NOFILE": 32,
    }  # fmt: skip
    for name, limit in wanted.items():
        kind = getattr(resource, name, None)
        if kind is None:
            continue
        try:
            _, hard = resource.getrlimit(kind)
            if hard != resource.RLIM_INFINITY:
                limit = min(limit, hard)
            resource.setrlimit(kind, (limit, limit))
        except (ValueError, OSError):
            continue  # macOS refuses some; is_too_large() and the timer remain


def _join_job(memory_bytes: int) -> None:
    """Windows: put this process into a job of one process with so much memory."""
    is_windows = sys.platform == "win32"
    if not is_windows:
        return
    import ctypes
    from ctypes import wintypes

    class Basic(ctypes.Structure):
        _fields_ = [
            ("PerProcessUserTimeLimit", ctypes.c_int64), ("PerJobUserTimeLimit", ctypes.c_int64),
            ("LimitFlags", wintypes.DWORD), ("MinimumWorkingSetSize", ctypes.c_size_t),
            ("MaximumWorkingSetSize", ctypes.c_size_t), ("ActiveProcessLimit", wintypes.DWORD),
            ("Affinity", ctypes.c_size_t), ("PriorityClass", wintypes.DWORD), ("SchedulingClass", wintypes.DWORD),
        ]  # fmt: skip

    class Extended(ctypes.Structure):
        _fields_ = [
            ("Basic", Basic), ("IoInfo", ctypes.c_uint64 * 6), ("ProcessMemoryLimit", ctypes.c_size_t),
            ("JobMemoryLimit", ctypes.c_size_t), ("PeakProcessMemoryUsed", ctypes.c_size_t),
            ("PeakJobMemoryUsed", ctypes.c_size_t),
        ]  # fmt: skip

    kernel32 = getattr(ctypes, "WinDLL")("kernel32", use_last_error=True)  # noqa: B009 - exists on Windows alone
    kernel32.CreateJobObjectW.restype = wintypes.HANDLE
    kernel32.GetCurrentProcess.restype = wintypes.HANDLE
    kernel32.SetInformationJobObject.argtypes = [wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD]
    kernel32.AssignProcessToJobObject.argtypes = [wintypes.HANDLE, wintypes.HANDLE]
    job = kernel32.CreateJobObjectW(None, None)
    limits = Extended()
    # JOB_OBJECT_LIMIT_ACTIVE_PROCESS | _PROCESS_MEMORY | _DIE_ON_UNHANDLED_EXCEPTION (winnt.h)
    limits.Basic.LimitFlags = 0x8 | 0x100 | 0x400
    limits.Basic.ActiveProcessLimit = 1
    limits.ProcessMemoryLimit = memory_bytes
    kernel32.SetInformationJobObject(job, 9, ctypes.byref(limits), ctypes.sizeof(limits))  # 9: extended limits
    kernel32.AssignProcessToJobObject(job, kernel32.GetCurrentProcess())


def _on_event(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open":
        flags = arguments[2] if len(arguments) > 2 else 0
        if isinstance(flags, int) and flags & _WRITES:
            raise PermissionError("the extraction child writes nothing")
    elif event in _REFUSED:
        raise PermissionError(f"the extraction child does not do {event}")
