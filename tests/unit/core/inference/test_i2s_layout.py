"""Real weights are not at hand; what is tested are tensors with the structure that training is known to leave."""

from pathlib import Path

import numpy as np
import pytest
from gguf_files import GgufFiles, Weights, as_gguf, pack_i2s, random_weights

from core.errors import AppError, ErrorCode
from core.events import CancelToken
from core.inference.gguf import GgufFile
from core.inference.gguf_model import gguf_config
from core.inference.i2s_layout import foreign_layout
from core.inference.model import load_model

SIZES = {"hidden": 1024, "inner": 1536, "heads": 8, "head_dim": 128, "layers": 2}


def structured(family: str, strength: float, *, seed: int = 1) -> Weights:
    """Return weights whose channels differ: the larger the norm weight of a channel, the denser its column."""
    weights = random_weights(family, seed=seed, tied=True, **SIZES)
    random = np.random.default_rng(seed)
    for layer in range(SIZES["layers"]):
        prefix = f"model.layers.{layer}."
        feeds = random.normal(0, 1, SIZES["inner"])
        for name in ("gate_proj", "up_proj"):
            weights.codes[f"{prefix}mlp.{name}"] = _codes(random, strength * feeds[:, None], SIZES["hidden"])
        weights.codes[f"{prefix}mlp.down_proj"] = _codes(random, strength * feeds[None, :], SIZES["hidden"], rows=True)
    return weights


def _codes(random: np.random.Generator, lean: np.ndarray, n: int, *, rows: bool = False) -> np.ndarray:
    """Return codes of which 60 % are not zero, more or fewer along `lean`."""
    used = 1 / (1 + np.exp(-0.4 - lean))
    shape = (n, lean.shape[1]) if rows else (lean.shape[0], n)
    drawn = random.random(shape)
    return np.where(drawn < used / 2, 0, np.where(drawn < used, 2, 1)).astype(np.uint8)


def in_order(weights: Weights, layout: str) -> GgufFiles:
    files = as_gguf(weights)
    for name, codes in weights.codes.items():
        layer, part = name.removeprefix("model.layers.").split(".", 1)
        names = {"mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
        if part in names:
            files.tensors[f"blk.{layer}.{names[part]}.weight"].data = pack_i2s(codes, 1.0, layout)
    return files


def found(files: GgufFiles, tmp_path: Path) -> str | None:
    with GgufFile(files.write(tmp_path / "m.gguf")) as file:
        return foreign_layout(file, gguf_config(file))


@pytest.mark.parametrize("family", ["bitnet", "llama"])
def test_orders_b_and_c_are_told_where_channels_differ(tmp_path: Path, family: str) -> None:
    weights = structured(family, 0.3)
    assert found(in_order(weights, "A"), tmp_path) is None
    assert "layout B" in str(found(in_order(weights, "B"), tmp_path))
    assert "layout C" in str(found(in_order(weights, "C"), tmp_path))


def test_a_foreign_order_is_refused_with_its_name(tmp_path: Path) -> None:
    path = in_order(structured("bitnet", 0.3), "B").write(tmp_path / "m.gguf")
    with pytest.raises(AppError) as caught:
        load_model(path, n_threads=1, cancel=CancelToken(), emit=lambda event: None)
    assert caught.value.code is ErrorCode.MODEL_UNSUPPORTED
    assert "ARM builds" in str(caught.value.facts["reason"])


@pytest.mark.parametrize("strength", [0.0, 0.02, 0.1, 0.3, 1.0])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_order_a_is_never_refused(tmp_path: Path, strength: float, seed: int) -> None:
    assert found(in_order(structured("bitnet", strength, seed=seed), "A"), tmp_path) is None


@pytest.mark.parametrize("layout", ["A", "B", "C"])
def test_weights_without_structure_are_read_as_a(tmp_path: Path, layout: str) -> None:
    assert found(in_order(structured("bitnet", 0.0), layout), tmp_path) is None


def test_small_models_are_not_judged(tmp_path: Path) -> None:
    weights = random_weights(hidden=256, inner=384)
    assert found(in_order(weights, "B"), tmp_path) is None
