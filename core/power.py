"""Whether this computer runs on its battery, and how many threads answer then.

Knows the three systems' own ways of telling; must not know who computes. Takes a file read, a system call or, on
macOS, a program of the system, so it is no work for the window's thread.
"""

import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Final

_POWER_SUPPLY: Final = Path("/sys/class/power_supply")
_PMSET: Final = "/usr/bin/pmset"
_PMSET_WITHIN_S: Final = 2.0


class Profile(StrEnum):
    """How hard the processor may work (the setting `profile`)."""

    AUTOMATIC = "automatic"  # quiet on battery
    FAST = "fast"
    QUIET = "quiet"


def threads_for(profile: Profile, n_threads: int, *, is_on_battery: bool | None) -> int:
    """Return how many of `n_threads` answer: half of them, at least one, where it is to be quiet."""
    is_quiet = profile is Profile.QUIET or (profile is Profile.AUTOMATIC and is_on_battery is True)
    return max(1, n_threads // 2) if is_quiet else n_threads


def is_on_battery() -> bool | None:
    """Return whether the battery is what feeds this computer; None where there is none, or it cannot be told."""
    if sys.platform == "win32":
        return _on_battery_windows()
    if sys.platform == "darwin":
        return _on_battery_macos()
    return on_battery_linux(_POWER_SUPPLY)


def on_battery_linux(supplies: Path) -> bool | None:
    """Read what the kernel says in `supplies` (https://docs.kernel.org/power/power_supply_class.html)."""
    batteries: list[str] = []
    try:
        for supply in sorted(supplies.iterdir()):
            kind = _read(supply / "type")
            if kind == "Battery" and _read(supply / "scope") != "Device":  # a mouse has one as well
                batteries.append(_read(supply / "status"))
            elif kind in ("Mains", "USB") and _read(supply / "online") == "1":
                return False if batteries or _has_battery(supplies) else None
    except OSError:
        return None
    return any(status == "Discharging" for status in batteries) if batteries else None


def _has_battery(supplies: Path) -> bool:
    return any(_read(each / "type") == "Battery" and _read(each / "scope") != "Device" for each in supplies.iterdir())


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii", errors="replace").strip()
    except OSError:
        return ""


def _on_battery_macos() -> bool | None:
    try:
        done = subprocess.run([_PMSET, "-g", "batt"], capture_output=True, timeout=_PMSET_WITHIN_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return on_battery_pmset(done.stdout.decode("utf-8", "replace"))


def on_battery_pmset(output: str) -> bool | None:
    """Read what `pmset -g batt` prints."""
    if "InternalBattery" not in output:
        return None
    return "'Battery Power'" in output


if sys.platform == "win32":
    import ctypes

    class _PowerStatus(ctypes.Structure):
        # SYSTEM_POWER_STATUS, https://learn.microsoft.com/windows/win32/api/winbase/ns-winbase-system_power_status
        _fields_ = (
            ("ac_line", ctypes.c_ubyte),
            ("battery_flag", ctypes.c_ubyte),
            ("life_percent", ctypes.c_ubyte),
            ("system_flag", ctypes.c_ubyte),
            ("life_time", ctypes.c_ulong),
            ("full_life_time", ctypes.c_ulong),
        )

    def _on_battery_windows() -> bool | None:
        status = _PowerStatus()
        if not ctypes.windll.kernel32.GetSystemPowerStatus(ctypes.byref(status)):
            return None
        has_no_battery = status.battery_flag == 255 or bool(status.battery_flag & 128)
        return None if has_no_battery or status.ac_line == 255 else status.ac_line == 0

else:

    def _on_battery_windows() -> bool | None:
        return None
