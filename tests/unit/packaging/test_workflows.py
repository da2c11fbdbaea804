"""The workflows for users' forges: they call what exists, on machines that exist, with as few rights as they need."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
# macos-13 and macos-14 are retired; Qt's wheels want glibc 2.34, so not older than ubuntu-22.04.
RUNNERS = {"ubuntu-22.04", "macos-15", "windows-2025"}


def jobs(path: Path) -> dict[str, dict]:
    return yaml.safe_load(path.read_text("utf-8"))["jobs"]


def steps() -> list[tuple[str, dict]]:
    return [
        (f"{path.name}: {name}", step)
        for path in WORKFLOWS
        for name, job in jobs(path).items()
        for step in job["steps"]
    ]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_job_runs_on_a_machine_that_exists_and_ends(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text("utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in jobs(path).items():
        systems = job["strategy"]["matrix"]["os"] if "${{" in job["runs-on"] else [job["runs-on"]]
        assert set(systems) <= RUNNERS, name
        needed = job.get("needs", [])
        assert set([needed] if isinstance(needed, str) else needed) <= set(jobs(path)), name


def test_every_script_that_is_called_exists() -> None:
    called = {script for _where, step in steps() for script in re.findall(r"packaging/\w+\.py", step.get("run", ""))}
    assert called >= {
        "packaging/build.py",
        "packaging/dev.py",
        "packaging/prove_bundle.py",
        "packaging/cross_checks.py",
    }
    assert [script for script in called if not (ROOT / script).is_file()] == []


def test_the_supported_pythons_and_systems_are_tested() -> None:
    matrix = jobs(ROOT / ".github/workflows/tests.yml")["tests"]["strategy"]["matrix"]
    assert set(matrix["os"]) == RUNNERS
    assert matrix["python"] == ["3.11", "3.12", "3.13"]


def test_no_secret_and_no_name_of_a_branch_is_pasted_into_a_script() -> None:
    """A name can hold shell; secrets in a command line show in a list of processes."""
    assert [where for where, step in steps() if "${{" in step.get("run", "")] == []
    uses = [step["uses"] for _where, step in steps() if "uses" in step]
    assert [each for each in uses if not re.fullmatch(r"[\w./-]+@v\d+(\.\d+)*", each)] == []


def test_each_kind_of_program_tests_itself_after_it_was_packed() -> None:
    programs = jobs(ROOT / ".github/workflows/release.yml")["programs"]["steps"]
    conditions = {step["if"] for step in programs if re.search(r"--self-test|prove_bundle", step.get("run", ""))}
    assert conditions == {"runner.os == 'Linux'", "runner.os == 'macOS'", "runner.os == 'Windows'"}
