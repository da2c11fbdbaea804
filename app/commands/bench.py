"""`tern bench`: how fast this computer runs a model, and what that means."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Final

from app.commands.interrupts import interrupts_cancel
from app.commands.opening import loading
from app.commands.output import Output
from app.commands.problems import EXIT_OK
from app.notices import bytes_in_words
from core.events import CancelToken
from core.paths import AppPaths

if TYPE_CHECKING:
    from core.inference.measure import Measurement, Plan, Speed
    from core.inference.model import TernaryModel

WORDS_PER_TOKEN: Final = 0.75  # of English text in the vocabularies of these models
READING_WORDS_PER_S: Final = 4.0  # 238 words a minute, Brysbaert 2019, doi:10.1016/j.jml.2019.104047


def run(arguments: argparse.Namespace, _paths: AppPaths, out: Output) -> int:
    """Measure the model of the command line.

    Raises:
        AppError: the model cannot be used.
        KeyboardInterrupt: Ctrl-C.
    """
    measurement = _measure(arguments, out)
    if arguments.json:
        out.line(json.dumps(asdict(measurement), indent=2))
    else:
        _write(arguments, measurement, out)
    out.check_open()
    return EXIT_OK


def _measure(arguments: argparse.Namespace, out: Output) -> "Measurement":
    from core.inference.measure import Plan, measure
    from core.inference.model import Interrupted, default_threads

    threads = arguments.threads or sorted({1, default_threads()})
    plan = Plan(tuple(threads), arguments.prompt, arguments.generate, arguments.depth)
    cancel = CancelToken()
    with interrupts_cancel(cancel):
        try:
            return measure(partial(_open, arguments, plan, cancel, out), plan, cancel)
        except Interrupted:
            raise KeyboardInterrupt from None
        finally:
            out.wipe_status()


def _open(
    arguments: argparse.Namespace, plan: "Plan", cancel: CancelToken, out: Output, context_length: int, n_threads: int
) -> "TernaryModel":
    from core.inference.kv_cache import kv_precision
    from core.inference.model import load_model, synthetic_model

    kv = kv_precision(arguments.kv_precision)
    if arguments.synthetic is not None:
        out.status("Making random weights")
        model = synthetic_model(context_length=context_length, n_threads=n_threads, kernels=None, kv=kv)
    else:
        model = load_model(
            arguments.model,
            context_length=context_length,
            n_threads=n_threads,
            kv=kv,
            cancel=cancel,
            emit=loading(arguments.model.name, out),
        )
    out.status(f"Measuring: {plan.n_prompt} tokens to read, {plan.n_generate} to write")
    return model


def _write(arguments: argparse.Namespace, measurement: "Measurement", out: Output) -> None:
    name = arguments.model.name if arguments.model is not None else f"random weights of {arguments.synthetic}"
    out.line(f"{name} on {measurement.machine}")
    out.line(
        f"kernels {measurement.kernels}, cache {measurement.kv}, loaded in {measurement.load_s:.1f} s, "
        f"first token after {measurement.first_token_s:.2f} s, peak memory {bytes_in_words(measurement.peak_rss_bytes)}"
    )
    out.line()
    out.line(f"{'phase':<9}{'threads':>8}{'tokens':>8}{'depth':>8}{'tokens/s':>11}{'memory GB/s':>13}")
    for speed in measurement.results:
        out.line(
            f"{speed.phase:<9}{speed.threads:>8}{speed.tokens:>8}{speed.depth:>8}"
            f"{speed.tokens_per_s:>11.1f}{speed.read_gb_per_s:>13.1f}"
        )
    for speed in measurement.results:
        if speed.rows_per_token:
            threads = f"{speed.threads} thread{'' if speed.threads == 1 else 's'}"
            out.line(
                f"head with {threads}: {speed.rows_per_token:.0f} "
                f"rows a token scored exactly, all rows for {speed.whole_heads} of {speed.tokens} tokens"
            )
    out.line()
    out.line(meaning(measurement.results))


def meaning(results: "Sequence[Speed]") -> str:
    """Return one sentence that says what the best figures mean for a person."""
    decode = max((speed.tokens_per_s for speed in results if speed.phase == "decode"), default=0.0)
    prefill = max((speed.tokens_per_s for speed in results if speed.phase == "prefill"), default=0.0)
    words = decode * WORDS_PER_TOKEN
    pace = words / READING_WORDS_PER_S
    if pace >= 1.5:
        verdict = "faster than most people read"
    elif pace >= 0.8:
        verdict = "about as fast as people read"
    else:
        verdict = "slower than people read"
    return (
        f"This computer writes about {_rounded(words)} words a second with this model, {verdict}, "
        f"and reads about {_rounded(prefill * WORDS_PER_TOKEN)} words a second."
    )


def _rounded(number: float) -> str:
    return f"{number:.1f}" if number < 10 else f"{number:,.0f}"
