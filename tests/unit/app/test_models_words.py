"""The sentences about this computer, models and the network; and the settings of the network."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.models import words
from app.models.tasks import NetworkRecord, download_options, split_models
from core.events import Connected
from core.models.catalogue import default_model
from core.models.computer import Computer, fit
from core.models.connections import Transferred
from core.models.download import DownloadOptions, remote_files
from core.models.manage import FileCheck
from core.offline import Counters
from core.settings import Settings

GIB = 1 << 30
AT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


def computer(**changed: object) -> Computer:
    values = {
        "processor": "p", "system": "s", "kernel_sets": ("avx2", "scalar"), "logical_cores": 16, "physical_cores": 8,
        "performance_cores": 8, "memory_bytes": int(15.5 * GIB), "free_memory_bytes": 8 * GIB,
        "free_disk_bytes": 100 * GIB,
    }  # fmt: skip
    return Computer(**{**values, **changed})


def sentence(**changed: object) -> str:
    here = computer(**changed)
    return words.computer_sentence(here, fit(default_model(), here), 24 * 0.68e9)


def test_a_good_computer_is_called_fine() -> None:
    assert sentence().startswith("This computer: 8 cores, 16 GB: fine; about 1")
    assert sentence().endswith("words a second.")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"memory_bytes": GIB}, "too little memory"),
        ({"free_memory_bytes": GIB // 2}, "fine when other programs"),
        ({"free_disk_bytes": GIB}, "the disk is too full"),
        ({"kernel_sets": ()}, "cannot run models"),
    ],
)
def test_what_is_missing_is_named(changed: dict[str, object], said: str) -> None:
    assert said in sentence(**changed)


def test_what_a_model_needs_is_said() -> None:
    small = computer(memory_bytes=GIB)
    assert "this computer has 1.1 GB" in words.fit_words(fit(default_model(), small), small)
    assert words.fit_words(fit(default_model(), computer()), computer()).startswith("Fits")


def test_the_line_of_progress() -> None:
    assert words.progress_line(412_000_000, 1_200_000_000, 8_400_000, 94.0) == "412 MB of 1.2 GB · 8 MB/s · 94 s left"
    assert words.progress_line(0, None, 0.0, None) == "0 kB"


def test_the_list_for_another_computer_has_addresses_sizes_and_hashes() -> None:
    text = words.offline_text(default_model(), remote_files(default_model()))
    assert text.count("https://huggingface.co/") == len(default_model().files)
    assert "1,178,623,988 bytes" in text
    assert "SHA-256" in text


def test_the_padlock_counts() -> None:
    assert words.connections_words(Counters(None, 0, ()), 0) == "Offline"
    assert words.connections_words(Counters(AT, 0, ()), 0).startswith("Offline: 0 connections since")
    assert words.connections_words(Counters(AT, 0, ()), 2).startswith("2 connections for downloads since")
    assert "3 attempts" in words.refused_words(Counters(AT, 3, ()))


def test_the_record_names_hosts_and_amounts() -> None:
    connections = (Connected(AT, "a.example", 443), Connected(AT, "b.example", 443), Connected(AT, "a.example", 443))
    lines = words.record_lines(NetworkRecord(Counters(AT, 0, ()), connections, (Transferred(AT, "m", 5_000_000),)))
    assert lines[0].startswith("a.example:443: 2 times, last on")
    assert lines[1].startswith("b.example:443: once on")
    assert lines[2].startswith("m: 5 MB received")


def test_what_verifying_found_is_said() -> None:
    good, bad = FileCheck("a", True, True, ""), FileCheck("b", False, False, "missing")
    assert words.verified_words("m", (good,)) == (
        "m is intact: 1 file as they were stored, 1 of them compared with what is published."
    )
    assert "b: missing" in words.verified_words("m", (good, bad))
    assert "nothing to compare" in words.verified_words("m", ())


@pytest.mark.parametrize(
    ("proxy", "meant"), [("", None), ("none", ""), ("None", ""), (" http://p.example:3128 ", "http://p.example:3128")]
)
def test_the_settings_of_the_network_reach_the_download(proxy: str, meant: str | None) -> None:
    settings = Settings().with_value("proxy", proxy).with_value("hub_address", "https://m.example")
    settings = settings.with_value("ca_file", "/ca.pem")
    assert download_options(settings) == DownloadOptions("https://m.example", meant, Path("/ca.pem"))


def test_models_are_told_from_documents(tmp_path: Path, tiny_model_dir) -> None:
    model = tiny_model_dir(lambda files: None)
    note, folder = tmp_path / "note.txt", tmp_path / "folder"
    note.write_text("x")
    folder.mkdir()
    assert split_models([model, note, folder, model / "model.safetensors"]) == (
        (model, model / "model.safetensors"),
        (note, folder),
    )
