import errno
import json
import math
import os
import stat
import sys
from pathlib import Path

import pytest

from core.errors import AppError, ErrorCode
from core.inference.sampling import SamplingParams
from core.settings import Settings, sampling_params, write_atomically
from core.specs import SPECS, Kind, spec_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "settings.json"


def _files(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir())


# --- the table


def test_keys_are_unique_and_defaults_are_allowed() -> None:
    assert len({spec.key for spec in SPECS}) == len(SPECS)
    for spec in SPECS:
        assert spec.check(spec.default) == spec.default, spec.key
        assert spec.label
        assert spec.help.endswith(".")
        assert spec.allowed


def test_numbers_have_a_range_and_choices_have_values() -> None:
    for spec in SPECS:
        if spec.kind in (Kind.INTEGER, Kind.NUMBER):
            assert spec.minimum is not None
            assert spec.maximum is not None
        if spec.kind is Kind.CHOICE:
            assert spec.choices


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("temperature", -0.1),
        ("temperature", math.nan),
        ("temperature", math.inf),
        ("temperature", "0.7"),
        ("temperature", True),
        ("temperature", None),
        ("top_k", 1.5),
        ("top_k", True),
        ("max_tokens", 0),
        ("seed", -1),
        ("seed", 2**63),
        ("theme", "Dark"),
        ("send_on_enter", 1),
        ("stop", "text"),
        ("stop", [""]),
        ("stop", ["a", 1]),
        ("stop", ["x" * 257]),
        ("stop", ["a"] * 17),
        ("system_prompt", "\ud800"),
        ("system_prompt", "a\0"),
        ("system_prompt", "x" * 100_001),
        ("text_size_percent", 79),
        ("text_size_percent", 201),
        ("model_path", 3),
    ],
)
def test_what_is_not_allowed_is_refused(key: str, value: object) -> None:
    with pytest.raises(AppError) as caught:
        Settings().with_value(key, value)
    assert caught.value.code is ErrorCode.SETTING_INVALID
    assert caught.value.facts["key"] == key
    assert caught.value.facts["allowed"] == spec_of(key).allowed


def test_an_unknown_key_is_a_programmers_mistake() -> None:
    with pytest.raises(KeyError):
        Settings().with_value("no_such_setting", 1)
    with pytest.raises(KeyError):
        Settings().get("no_such_setting")


# --- the values


def test_with_value_returns_a_changed_copy() -> None:
    before = Settings()
    after = before.with_value("temperature", 1)
    assert before.number("temperature") == 0.7
    assert after.number("temperature") == 1.0
    assert isinstance(after.get("temperature"), float)
    assert after != before
    assert after.with_value("temperature", 0.7) == before


def test_typed_access() -> None:
    settings = Settings().with_value("stop", ["\nUser:"]).with_value("seed", 7)
    assert settings.text("model_path") == ""
    assert settings.text("theme") == "system"
    assert settings.integer("top_k") == 40
    assert settings.optional_integer("threads") is None
    assert settings.optional_integer("seed") == 7
    assert settings.flag("send_on_enter") is True
    assert settings.lines("stop") == ("\nUser:",)


def test_sampling_params_take_every_value() -> None:
    values = {
        "temperature": 0.5,
        "top_k": 7,
        "top_p": 0.5,
        "min_p": 0.25,
        "repeat_penalty": 1.5,
        "repeat_window": 9,
        "seed": 11,
        "max_tokens": 13,
        "stop": ("END",),
    }
    settings = Settings()
    assert sampling_params(settings) == SamplingParams()
    for key, value in values.items():
        settings = settings.with_value(key, value)
    assert sampling_params(settings) == SamplingParams(**values)


def test_both_ends_of_every_range_can_be_sampled_with() -> None:
    sampling_params(Settings().with_value("stop", ["x" * 256] * 16))
    for spec in SPECS:
        for end in (spec.minimum, spec.maximum):
            if spec.kind in (Kind.INTEGER, Kind.NUMBER) and end is not None:
                value = int(end) if spec.kind is Kind.INTEGER else end
                sampling_params(Settings().with_value(spec.key, min(value, 2**63 - 1)))


# --- the file


def test_no_file_gives_the_defaults(path: Path) -> None:
    loaded = Settings.load(path)
    assert loaded == Settings()
    assert loaded.bad_copy is None
    assert _files(path) == []


def test_a_saved_file_comes_back(path: Path) -> None:
    settings = Settings().with_value("system_prompt", "Grüße 😀\n").with_value("stop", ["a", "b"]).with_value("seed", 0)
    settings.save(path)
    assert Settings.load(path) == settings
    assert _files(path) == ["settings.json"]
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_one_bad_field_resets_that_field_only(path: Path) -> None:
    Settings().with_value("top_k", 7).save(path)
    stored = json.loads(path.read_text())
    path.write_text(json.dumps({**stored, "temperature": "hot", "theme": 3}))
    loaded = Settings.load(path)
    assert set(loaded.reset_keys) == {"temperature", "theme"}
    assert loaded == Settings().with_value("top_k", 7)
    assert loaded.bad_copy is None


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b"\0" * 500, b'{"top_k": ' + b"9" * 5_000 + b"}"],
    ids=["empty", "cut", "list", "null", "not utf-8", "deep", "zeros", "huge number"],
)
def test_an_unreadable_file_gives_the_defaults_and_is_kept(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    loaded = Settings.load(path)
    assert loaded == Settings()
    assert loaded.bad_copy == path.with_name("settings.json.bad")
    assert loaded.bad_copy.read_bytes() == content
    loaded.save(path)
    assert Settings.load(path).bad_copy is None


def test_a_directory_in_its_place_does_not_stop_the_start(path: Path) -> None:
    path.mkdir()
    assert Settings.load(path) == Settings()


def test_fields_of_a_newer_version_are_carried_along(path: Path) -> None:
    path.write_text('{"top_k": 3, "from_the_future": {"a": [1]}}')
    Settings.load(path).with_value("top_k", 4).save(path)
    stored = json.loads(path.read_text())
    assert stored["from_the_future"] == {"a": [1]}
    assert stored["top_k"] == 4


def test_a_full_disk_keeps_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Settings().with_value("top_k", 7).save(path)
    before = path.read_bytes()

    def refuse(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(AppError) as caught:
        Settings().save(path)
    assert caught.value.code is ErrorCode.DISK_FULL
    assert path.read_bytes() == before
    assert _files(path) == ["settings.json"]


def test_an_unwritable_place_is_said(tmp_path: Path) -> None:
    with pytest.raises(AppError) as caught:
        write_atomically(tmp_path / "missing" / "file", b"x")
    assert caught.value.code is ErrorCode.DATA_DIR_UNWRITABLE
    assert caught.value.facts["path"] == tmp_path / "missing"
