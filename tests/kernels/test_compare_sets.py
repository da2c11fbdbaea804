"""The C kernels without Python, under the sanitizers: memory, undefined behaviour, races between threads."""

import shutil
import subprocess
from pathlib import Path

import pytest

PATIENCE_S = 300  # the compiler with sanitizers takes minutes where other work keeps the computer busy
pytestmark = [pytest.mark.kernels, pytest.mark.timeout(2 * PATIENCE_S)]

ROOT = Path(__file__).parents[2]
SOURCES = [ROOT / "tests/kernels/compare_sets.c", *sorted((ROOT / "cython_kernels/src").glob("*.c"))]
COMPILER = shutil.which("gcc") or shutil.which("clang")


def build(to: Path, *flags: str) -> None:
    assert COMPILER is not None
    command = [COMPILER, "-std=gnu11", "-ffp-contract=off", *flags, f"-I{ROOT / 'cython_kernels/src'}"]
    subprocess.run([*command, *map(str, SOURCES), "-lm", "-lpthread", "-o", str(to)], check=True, timeout=PATIENCE_S)


@pytest.mark.skipif(COMPILER is None, reason="needs gcc or clang by name")
@pytest.mark.parametrize("sanitizers", ["address,undefined", pytest.param("thread", marks=pytest.mark.slow)])
def test_all_kernel_sets_agree_under_sanitizers(sanitizers: str, tmp_path: Path) -> None:
    program = tmp_path / "compare_sets"
    # gcc takes a minute to inline the scalar set under a sanitizer, and a second not to.
    build(program, "-O1", "-fno-inline", "-g", f"-fsanitize={sanitizers}", "-fno-sanitize-recover=all")
    done = subprocess.run(
        [program], capture_output=True, text=True, timeout=PATIENCE_S, env={"ASAN_OPTIONS": "detect_leaks=0"}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "scalar: equal bits" in done.stdout


@pytest.mark.skipif(COMPILER is None, reason="needs gcc or clang by name")
def test_the_comparison_notices_a_wrong_bit(tmp_path: Path) -> None:
    """The harness bites: with contraction into fused multiply-adds the sets no longer agree."""
    program = tmp_path / "contracted"
    build(program, "-O2", "-ffp-contract=fast")
    done = subprocess.run([program], capture_output=True, text=True, timeout=PATIENCE_S)
    if "avx512" not in done.stdout and "neon" not in done.stdout:
        pytest.skip("this computer runs no kernel set whose instructions have fused multiply-adds")
    assert done.returncode == 1
    assert "DIFFERENT" in done.stdout
