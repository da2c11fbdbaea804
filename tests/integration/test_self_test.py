"""`tern --self-test` as a process of its own, on a screen in memory."""

import pytest
from terminal import run_tern

pytestmark = pytest.mark.gui


def test_this_copy_of_tern_passes_its_own_test() -> None:
    ended = run_tern("--self-test", env={"QT_QPA_PLATFORM": "offscreen"})
    assert ended.code == 0, ended.out + ended.err
    lines = ended.out.splitlines()
    assert lines[0].startswith("Tern ")
    assert [line.split()[0] for line in lines[1:-1]] == ["ok"] * (len(lines) - 2)
    assert {"kernels", "starter", "history", "children", "documents", "window", "network"} <= {
        line.split()[1] for line in lines[1:-1]
    }


def test_it_goes_without_a_command() -> None:
    ended = run_tern("--self-test", "bench", "--synthetic", "2b4t")
    assert ended.code == 2
    assert ended.is_one_line()
