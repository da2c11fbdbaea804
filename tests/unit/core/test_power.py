from pathlib import Path

import pytest

from core.power import Profile, is_on_battery, on_battery_linux, on_battery_pmset, threads_for


def supply(root: Path, name: str, **files: str) -> None:
    (root / name).mkdir()
    for key, value in files.items():
        (root / name / key).write_text(value + "\n")


@pytest.mark.parametrize(
    ("status", "online", "expected"), [("Discharging", "0", True), ("Charging", "1", False), ("Full", "1", False)]
)
def test_a_laptop_says_what_feeds_it(tmp_path: Path, status: str, online: str, expected: bool) -> None:
    supply(tmp_path, "AC", type="Mains", online=online)
    supply(tmp_path, "BAT0", type="Battery", status=status)
    assert on_battery_linux(tmp_path) is expected


def test_a_computer_without_a_battery_says_nothing(tmp_path: Path) -> None:
    assert on_battery_linux(tmp_path / "none") is None
    supply(tmp_path, "AC", type="Mains", online="1")
    supply(tmp_path, "mouse", type="Battery", scope="Device", status="Discharging")
    assert on_battery_linux(tmp_path) is None


def test_what_pmset_prints_is_read() -> None:
    battery = "Now drawing from 'Battery Power'\n -InternalBattery-0 (id=1)\t81%; discharging; 4:02 remaining\n"
    assert on_battery_pmset(battery) is True
    assert on_battery_pmset(battery.replace("Battery Power", "AC Power")) is False
    assert on_battery_pmset("Now drawing from 'AC Power'\n") is None


def test_this_computer_can_be_asked() -> None:
    assert is_on_battery() in (True, False, None)


def test_quiet_is_half_the_threads_and_at_least_one() -> None:
    assert threads_for(Profile.FAST, 8, is_on_battery=True) == 8
    assert threads_for(Profile.QUIET, 8, is_on_battery=False) == 4
    assert threads_for(Profile.QUIET, 1, is_on_battery=None) == 1
    assert [threads_for(Profile.AUTOMATIC, 6, is_on_battery=each) for each in (True, False, None)] == [3, 6, 6]
