"""What Linux, macOS and Windows tell about processor, cores and memory.

Knows the systems' files and calls; must not know what the figures are used for. Nothing raises: what cannot be found
out is None, and a core that nothing is known of counts as one like all others.
"""

import ctypes
import os
import platform
import sys
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_CPUS: Final = Path("/sys/devices/system/cpu")
_INTEL_PERFORMANCE: Final = Path("/sys/devices/cpu_core/cpus")  # exists where there are two kinds of cores
_MEMORY_LIMIT: Final = Path("/sys/fs/cgroup/memory.max")


def processor() -> str:
    """Return the processor's own name."""
    if sys.platform == "darwin":
        return _sysctl_text("machdep.cpu.brand_string") or platform.machine()
    if sys.platform == "win32":
        return _windows_processor() or platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in _lines(_PROC / "cpuinfo") if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def cores(logical: int) -> tuple[int, int]:
    """Return the physical cores and how many of them are the fast ones; `logical` where nothing is known."""
    if sys.platform == "darwin":
        physical = _sysctl_number("hw.physicalcpu") or logical
        return physical, _sysctl_number("hw.perflevel0.physicalcpu") or physical
    if sys.platform == "win32":
        return _windows_cores() or (logical, logical)
    return linux_cores(sorted(os.sched_getaffinity(0)), _CPUS, _INTEL_PERFORMANCE)


def memory() -> tuple[int | None, int | None]:
    """Return the memory of this computer, or what this process may use of it, and how much is free; bytes."""
    if sys.platform == "darwin":
        return _sysctl_number("hw.memsize") or None, None
    if sys.platform == "win32":
        return _windows_memory()
    return linux_memory(_PROC / "meminfo", _MEMORY_LIMIT)


def linux_cores(cpus: list[int], topology: Path, performance: Path) -> tuple[int, int]:
    """Count the cores behind the logical `cpus`, and the fast ones: by Intel's list, or by their capacity (Arm)."""
    core_of = {cpu: _core(topology / f"cpu{cpu}", cpu) for cpu in cpus}
    physical = set(core_of.values())
    fast_cpus = cpu_list(_text(performance))
    if not fast_cpus:
        capacity = {cpu: _number(_text(topology / f"cpu{cpu}" / "cpu_capacity")) for cpu in cpus}
        fast_cpus = {cpu for cpu in cpus if capacity[cpu] == max(capacity.values())}
    fast = {core for cpu, core in core_of.items() if cpu in fast_cpus}
    return max(len(physical), 1), len(fast) or max(len(physical), 1)


def cpu_list(text: str) -> set[int]:
    """Return the numbers in a list like "0-3,8"."""
    found: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        if first.isdigit() and (last or first).isdigit():
            found |= set(range(int(first), min(int(last or first), int(first) + 4096) + 1))
    return found


def linux_memory(meminfo: Path, limit: Path) -> tuple[int | None, int | None]:
    """Return MemTotal and MemAvailable, or the limit of this group of processes where that is less."""
    values = {line.partition(":")[0]: _number(line.partition(":")[2].split("kB")[0]) for line in _lines(meminfo)}
    total, free = values.get("MemTotal", 0) * 1024, values.get("MemAvailable", 0) * 1024
    allowed = _number(_text(limit))
    if allowed and total > allowed:
        total, free = allowed, min(free, allowed)
    return total or None, free or None


def _core(directory: Path, cpu: int) -> tuple[str, str]:
    package = _text(directory / "topology" / "physical_package_id")
    core = _text(directory / "topology" / "core_id")
    return (package, core) if package and core else ("", str(cpu))


def _lines(path: Path) -> list[str]:
    return _text(path).splitlines()


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def _number(text: str) -> int:
    stripped = text.strip()
    return int(stripped) if stripped.isdigit() and len(stripped) < 20 else 0


def _sysctl_number(name: str) -> int:
    value = _sysctl(name)
    return int.from_bytes(value, sys.byteorder) if len(value) in (4, 8) else 0


def _sysctl_text(name: str) -> str:
    return _sysctl(name).rstrip(b"\0").decode("utf-8", "replace").strip()


def _sysctl(name: str) -> bytes:
    """Return a value of sysctlbyname(3) on macOS; empty where there is none."""
    try:
        call = ctypes.CDLL(None).sysctlbyname
    except (OSError, AttributeError):
        return b""
    size = ctypes.c_size_t(256)
    value = ctypes.create_string_buffer(size.value)
    if call(name.encode("ascii"), value, ctypes.byref(size), None, ctypes.c_size_t(0)):
        return b""
    return value.raw[: size.value]


if sys.platform == "win32":
    import struct
    import winreg

    _RELATION_PROCESSOR_CORE = 0

    class _MemoryStatus(ctypes.Structure):
        # MEMORYSTATUSEX of sysinfoapi.h
        _fields_ = (
            ("dwLength", ctypes.c_ulong),
            ("dwMemoryLoad", ctypes.c_ulong),
            ("ullTotalPhys", ctypes.c_ulonglong),
            ("ullAvailPhys", ctypes.c_ulonglong),
            ("ullTotalPageFile", ctypes.c_ulonglong),
            ("ullAvailPageFile", ctypes.c_ulonglong),
            ("ullTotalVirtual", ctypes.c_ulonglong),
            ("ullAvailVirtual", ctypes.c_ulonglong),
            ("ullAvailExtendedVirtual", ctypes.c_ulonglong),
        )

    def _windows_memory() -> tuple[int | None, int | None]:
        status = _MemoryStatus(dwLength=ctypes.sizeof(_MemoryStatus))
        if not ctypes.WinDLL("kernel32").GlobalMemoryStatusEx(ctypes.byref(status)):
            return None, None
        return int(status.ullTotalPhys), int(status.ullAvailPhys)

    def _windows_processor() -> str:
        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"HARDWARE\DESCRIPTION\System\CentralProcessor\0") as key:
                return str(winreg.QueryValueEx(key, "ProcessorNameString")[0]).strip()
        except OSError:
            return ""

    def _windows_cores() -> tuple[int, int] | None:
        """Walk SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX (winnt.h): Relationship, Size, Flags, EfficiencyClass, ..."""
        call = ctypes.WinDLL("kernel32").GetLogicalProcessorInformationEx
        size = ctypes.c_ulong(0)
        call(_RELATION_PROCESSOR_CORE, None, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        if not size.value or not call(_RELATION_PROCESSOR_CORE, buffer, ctypes.byref(size)):
            return None
        classes, at = [], 0
        while at + 10 <= size.value:
            _relation, length, _flags, efficiency = struct.unpack_from("<IIBB", buffer.raw, at)
            classes.append(efficiency)
            at += max(length, 10)
        return len(classes), classes.count(max(classes))

else:

    def _windows_memory() -> tuple[int | None, int | None]:
        return None, None

    def _windows_processor() -> str:
        return ""

    def _windows_cores() -> tuple[int, int] | None:
        return None
