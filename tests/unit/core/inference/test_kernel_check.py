import numpy as np
import pytest

from core.inference import kernel_check
from cython_kernels import kernel_sets


def test_the_kernels_of_this_computer_agree_with_the_reference() -> None:
    found = kernel_check.check_kernels()
    assert found.problems == ()
    assert found.kernel_sets == kernel_sets()
    assert found.relative_difference < 1e-3


def test_a_kernel_set_with_other_bits_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = kernel_check._logits
    best = kernel_sets()[0]

    def off_by_a_bit(weights, ids, kernels):  # type: ignore[no-untyped-def]
        logits = real(weights, ids, kernels)
        if kernels == best:
            logits[3, 5] = np.nextafter(logits[3, 5], np.float32(9))
        return logits

    monkeypatch.setattr(kernel_check, "kernel_sets", lambda: (best, "scalar") if best != "scalar" else ("scalar",))
    monkeypatch.setattr(kernel_check, "_logits", off_by_a_bit)
    assert kernel_check.check_kernels().problems == (() if best == "scalar" else (f"{best}: other bits than scalar",))


@pytest.mark.parametrize("wrong", [np.float32(1.5), np.float32("nan")])
def test_logits_far_from_the_reference_are_refused(wrong: np.float32, monkeypatch: pytest.MonkeyPatch) -> None:
    real = kernel_check._logits
    monkeypatch.setattr(kernel_check, "_logits", lambda weights, ids, kernels: real(weights, ids, kernels) * wrong)
    assert any("away from the reference" in problem for problem in kernel_check.check_kernels().problems)
