"""What a KV cache of 16 or 8 bits costs: how often the likeliest next token is still that of a cache of 32 bits.

    python tests/bench/measure_kv.py MODEL ... [--synthetic] [--tokens 512]

MODEL is a directory or .gguf file. Half of the ids are drawn from a fixed seed, the others are what the model itself
writes after them with a cache of 32 bits, always its likeliest token. Every position is judged after the same ids. The
error is the root mean square of the logits' differences, over their standard deviation.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.events import CancelToken
from core.inference.config import TokenId
from core.inference.kv_cache import KVPrecision
from core.inference.model import TernaryModel, load_model, score_ids, synthetic_model

Open = Callable[[KVPrecision], TernaryModel]


def open_file(path: Path) -> Open:
    """Return what opens the model at `path`."""
    return lambda kv: load_model(path, kv=kv, cancel=CancelToken(), emit=lambda _event: None)


def open_synthetic(n_tokens: int) -> Open:
    """Return what makes random weights of BitNet 2B4T's shapes."""
    return lambda kv: synthetic_model(context_length=-(-n_tokens // 16) * 16, n_threads=None, kernels=None, kv=kv)


def own_ids(model: TernaryModel, n_tokens: int) -> list[TokenId]:
    """Return `n_tokens` ids, half of them drawn, half written by the model."""
    drawn = np.random.Generator(np.random.PCG64(1)).integers(0, model.vocab_size, n_tokens // 2)
    ids = [TokenId(int(number)) for number in drawn]
    logits = model.read(ids, 0, want_logits=True)
    while len(ids) < n_tokens:
        assert logits is not None
        ids.append(TokenId(int(logits.argmax())))
        logits = model.read(ids[-1:], len(ids) - 1, want_logits=True)
    return ids


def scores(open_model: Open, kv: KVPrecision, ids: list[TokenId]) -> NDArray[np.float32]:
    """Return the logits after each id."""
    model = open_model(kv)
    try:
        return score_ids(model, ids, 64)
    finally:
        model.close()


def compare(name: str, open_model: Open, n_tokens: int) -> None:
    """Print a line for each precision."""
    model = open_model("f32")
    n_tokens = min(n_tokens, model.context_length)
    ids = own_ids(model, n_tokens)
    model.close()
    exact = scores(open_model, "f32", ids)
    spread = float(exact.std())
    for kv in ("f16", "int8"):
        other = scores(open_model, kv, ids)
        agree = (other.argmax(axis=1) == exact.argmax(axis=1)).mean()
        error = float(np.sqrt(((other - exact) ** 2).mean())) / spread
        sys.stdout.write(
            f"{name:<38}{kv:<6}{n_tokens:>5} positions  top-1 {100 * agree:6.2f} %  error {100 * error:.3f} %\n"
        )


def main() -> None:
    """Compare all that is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--synthetic", action="store_true", help="random weights of BitNet 2B4T's shapes as well")
    parser.add_argument("--tokens", type=int, default=512)
    arguments = parser.parse_args()
    for path in arguments.models:
        compare("/".join(path.parts[-2:]), open_file(path), arguments.tokens)
    if arguments.synthetic:
        compare("synthetic 2b4t", open_synthetic(arguments.tokens), arguments.tokens)


if __name__ == "__main__":
    main()
