"""Measure the shipped model on the held-out questions, with Tern's own engine: `python evaluate.py`.

Prints (a) questions about Tern, (b) documents, (c) questions beyond it, (d) loss and perplexity, (e) agreement with the
transformers library where it is installed, (f) the same prompts at temperature 0.7. Ends with 1 when a figure is missed.
"""

import argparse
import hashlib
import json
import math
import re
import statistics
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2]))

from core.answers import choices_about  # noqa: E402
from core.events import CancelToken, StopReason  # noqa: E402
from core.inference.engine import Engine, Generation, open_engine  # noqa: E402
from core.inference.model import load_model  # noqa: E402
from core.inference.prompt import Role, Turn, build_prompt, reply_reserve  # noqa: E402
from core.inference.sampling import SamplingParams  # noqa: E402
from core.library.cite import build_context, passage_budget  # noqa: E402
from core.library.reading import DocumentText  # noqa: E402
from core.library.search import Library  # noqa: E402

QUOTE = re.compile(r'^\[(\d+)\] "(.*)"$', re.DOTALL)
GREEDY = SamplingParams(temperature=0.0, repeat_penalty=1.0, max_tokens=120)
SAMPLED = SamplingParams(temperature=0.7, max_tokens=120, seed=1)  # everything else as Tern's defaults
SYSTEM = "You are a helpful assistant."  # Tern's default


def silent(_event: object) -> None:
    """Take an event and do nothing."""


def rows_of(name: str, limit: int) -> list[dict]:
    """Read a held-out file."""
    lines = (HERE / "held_out" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines][:limit]


def ids_of(engine: Engine, text: str) -> list[int]:
    """Ids of the prompt for one question, as the application builds it."""
    turns = [Turn(Role.SYSTEM, SYSTEM), Turn(Role.USER, text)]
    return list(build_prompt(turns, engine.tokenizer, context_length=engine.context_length, reserve=130).ids)


def answer(engine: Engine, text: str, params: SamplingParams) -> Generation:
    """Generate one answer."""
    return engine.generate(ids_of(engine, text), params, CancelToken(), silent)


def has_keys(text: str, keys: list[list[str]]) -> bool:
    """Whether every key fact stands in the answer, in one of its spellings."""
    return all(any(spelling in text.lower() for spelling in key) for key in keys)


def declines(text: str) -> bool:
    """Whether the answer says that the question is beyond the model."""
    return "beyond me" in text or "I cannot do that" in text


def quotes(text: str, row: dict) -> tuple[bool, bool]:
    """Whether the quote is exact with the right number; and whether the number alone is right."""
    found = QUOTE.match(text)
    if found is None:
        return False, False
    number = int(found[1]) == row["passage"]
    return number and found[2] == row["quote"], number


def is_whole(generation: Generation) -> bool:
    """Whether an answer ended by itself, at the end of a sentence, without going round in circles."""
    words = generation.text.split()
    grams = [tuple(words[i : i + 4]) for i in range(len(words) - 3)]
    loops = any(grams.count(gram) > 2 for gram in set(grams))
    return generation.reason is StopReason.STOP_TOKEN and generation.text.rstrip()[-1:] in set('.!?")') and not loops


def share(values: list[bool]) -> float:
    """Percentage."""
    return 100.0 * sum(values) / max(1, len(values))


def run(engine: Engine, name: str, key: str, limit: int, params: SamplingParams) -> list[tuple[dict, Generation]]:
    """Answer every row of a held-out file."""
    return [(row, answer(engine, row[key], params)) for row in rows_of(name, limit)]


def dropped(engine: Engine) -> list[tuple[str, str, Generation, Generation]]:
    """Ask about the documents of held_out_documents.txt: question, quote, the model's own answer, the application's.

    The quote is "" where the document does not hold the answer. The application lets small models quote only.
    """
    library, results = Library(), []
    for part in (HERE / "held_out_documents.txt").read_text(encoding="utf-8").split("\n= ")[1:]:
        lines = [line for line in part.splitlines() if line]
        text = "\n".join(line for line in lines[1:] if line[0] not in "?>")
        document = DocumentText(lines[0], hashlib.sha256(text.encode()).hexdigest(), text)
        asked = [line[2:] for line in lines if line[0] == "?"]
        quotes_ = [line[2:].removeprefix("-") for line in lines if line[0] == ">"]
        for question, quote in zip(asked, quotes_, strict=True):
            reserve = reply_reserve(engine.context_length, GREEDY.max_tokens)
            budget = passage_budget(engine.context_length, reserve)
            count = lambda text: len(engine.tokenizer.encode_text(text))  # noqa: E731
            passages = library.find([document], question, count, budget, CancelToken())
            prompt = build_context(passages, question)
            choices = choices_about(passages, question, engine)
            quoted = engine.generate(ids_of(engine, prompt), GREEDY, CancelToken(), silent, choices)
            results.append((question, quote, answer(engine, prompt, GREEDY), quoted))
    return results


def is_sensible(text: str, quote: str) -> bool:
    """Whether an answer quotes the right sentence word for word, or says that there is none."""
    found = QUOTE.match(text)
    return found[2] == quote if quote and found is not None else not quote and "not in the passages" in text


def loss_on(model: Path, engine: Engine, name: str, limit: int) -> float:
    """Mean loss per token of the right answers."""
    network = load_model(model, cancel=CancelToken(), emit=silent)
    eot = engine.tokenizer.special("<|eot_id|>")
    losses = []
    for row in rows_of(name, limit):
        text = row["answer"] if "answer" in row else f'[{row["passage"]}] "{row["quote"]}"'
        prompt = ids_of(engine, row.get("question", row.get("prompt")))
        ids = [*prompt, *engine.tokenizer.encode_text(text), eot]
        logits = np.asarray(network.read_all(ids, 0), np.float64)[len(prompt) - 1 : -1]
        top = logits.max(-1)
        total = top + np.log(np.exp(logits - top[:, None]).sum(-1))
        losses += list(total - logits[np.arange(len(total)), ids[len(prompt) :]])
    network.close()
    return float(np.mean(losses))


def agreement(model: Path, engine: Engine) -> str:
    """Compare with the transformers library in float32; "" where all rules hold, else what fails."""
    import os

    os.environ["TORCHDYNAMO_DISABLE"] = "1"
    import torch
    import transformers
    from transformers import BitNetForCausalLM

    torch.set_num_threads(2)
    transformers.logging.set_verbosity_error()
    theirs = BitNetForCausalLM.from_pretrained(str(model), attn_implementation="eager", dtype=torch.float32)
    torch.nn.Module.float(theirs)
    theirs.eval()
    ours = load_model(model, cancel=CancelToken(), emit=silent)
    worst, close, equal, greedy = 0.0, [], [], []
    texts = [row["question"] for row in rows_of("tern", 12)] + [row["prompt"] for row in rows_of("documents", 12)]
    for text in texts:
        ids = ids_of(engine, text)
        with torch.no_grad():
            expected = theirs(torch.tensor([ids])).logits[0].float().numpy()
        got = np.asarray(ours.read_all(ids, 0))
        difference = np.abs(got - expected).max(-1)
        worst = max(worst, float(difference.max() / expected.std()))
        close += list(difference < 2e-3)
        equal += list(got.argmax(-1) == expected.argmax(-1))
        with torch.no_grad():
            out = theirs.generate(torch.tensor([ids]), max_new_tokens=64, do_sample=False, eos_token_id=engine_stops(engine))
        mine = answer(engine, text, SamplingParams(temperature=0.0, repeat_penalty=1.0, max_tokens=64)).token_ids
        expected_ids = [t for t in out[0, len(ids) :].tolist() if t not in engine.tokenizer.stop_ids]
        greedy.append(list(mine) == expected_ids)
    ours.close()
    print(
        f"(e) against transformers, float32: rows within 2e-3 {share(close):.1f} %, largest difference "
        f"{worst:.3f} standard deviations, same likeliest token {share(equal):.1f} %, same greedy answer {sum(greedy)} of {len(greedy)}"
    )
    return "" if worst <= 0.25 and share(greedy) >= 75 else "(e) "


def engine_stops(engine: Engine) -> list[int]:
    """Ids that end an answer."""
    return sorted(engine.tokenizer.stop_ids)


def main() -> int:
    """Evaluate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=HERE.parent)
    parser.add_argument("--limit", type=int, default=1_000_000, help="questions of each kind, for a quick look")
    parser.add_argument("--show", type=int, default=0, help="print this many wrong answers of each kind")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-transformers", action="store_true")
    options = parser.parse_args()
    engine = open_engine(
        options.model, context_length=None, n_threads=options.threads, kernels=None, cancel=CancelToken(), emit=silent
    )
    missed = ""
    began = time.monotonic()

    tern = run(engine, "tern", "question", options.limit, GREEDY)
    right = [has_keys(g.text, row["keys"]) for row, g in tern]
    exact = [g.text == row["answer"] for row, g in tern]
    print(f"(a) questions about Tern: {share(right):.1f} % of {len(tern)} with the key facts ({share(exact):.1f} % the intended answer)")
    missed += "" if share(right) >= 90 else "(a) "
    show([(row["question"], g.text) for (row, g), ok in zip(tern, right, strict=True) if not ok], options.show)

    documents = run(engine, "documents", "prompt", options.limit, GREEDY)
    found = [quotes(g.text, row) for row, g in documents]
    whole, numbers = share([f[0] for f in found]), share([f[1] for f in found])
    print(f"(b) documents: {whole:.1f} % of {len(documents)} quoted exactly with the right number (number alone {numbers:.1f} %)")
    missed += "" if whole >= 70 else "(b) "
    show([(row["prompt"], g.text) for (row, g), ok in zip(documents, found, strict=True) if not ok[0]], options.show)
    absent = run(engine, "absent", "prompt", options.limit, GREEDY)
    print(f"    passages without the answer: {share(['not in the passages' in g.text for _, g in absent]):.1f} % of {len(absent)} say so")

    real = dropped(engine)
    own = [is_sensible(g.text, quote) for _, quote, g, _ in real]
    sensible = [is_sensible(g.text, quote) for _, quote, _, g in real]
    print(
        f"    documents as people have them, dropped: {share(sensible):.1f} % of {len(real)} answered with the right sentence "
        f"by the application, {share(own):.1f} % by the model left to itself"
    )
    show([(question, g.text) for (question, _, _, g), ok in zip(real, sensible, strict=True) if not ok], options.show)

    beyond = run(engine, "beyond", "question", options.limit, GREEDY)
    declined = [declines(g.text) for _, g in beyond]
    print(f"(c) questions beyond it: {share(declined):.1f} % of {len(beyond)} declined")
    missed += "" if share(declined) >= 90 else "(c) "
    show([(row["question"], g.text) for (row, g), ok in zip(beyond, declined, strict=True) if not ok], options.show)

    for name, title in (("tern", "answers about Tern"), ("documents", "quotes")):
        loss = loss_on(options.model, engine, name, options.limit)
        print(f"(d) held-out {title}: loss {loss:.3f}, perplexity {math.exp(loss):.3f}; the curves are in loss.csv and loss.png")

    if not options.no_transformers:
        try:
            missed += agreement(options.model, engine)
        except ImportError as error:
            print(f"(e) not measured: the transformers library cannot be used: {error}")

    sampled = []
    for name, key in (("tern", "question"), ("documents", "prompt"), ("beyond", "question")):
        results = run(engine, name, key, options.limit, SAMPLED)
        sampled += results
        if name == "tern":
            print(f"    at temperature 0.7: {share([has_keys(g.text, row['keys']) for row, g in results]):.1f} % with the key facts")
        elif name == "documents":
            print(f"    at temperature 0.7: {share([quotes(g.text, row)[0] for row, g in results]):.1f} % quoted exactly")
        else:
            print(f"    at temperature 0.7: {share([declines(g.text) for _, g in results]):.1f} % declined")
    fine = [is_whole(g) for _, g in sampled]
    print(f"(f) at temperature 0.7: {sum(fine)} of {len(fine)} answers end by themselves, whole, without loops")
    missed += "" if all(fine) else "(f) "
    show([(str(row), g.text) for (row, g), ok in zip(sampled, fine, strict=True) if not ok], options.show)

    speeds = [g.stats.generated_tokens / g.stats.decode_s for _, g in tern if g.stats.decode_s > 0]
    print(f"    {statistics.median(speeds):.0f} tokens/s with {options.threads} threads; {time.monotonic() - began:.0f} s in all")
    engine.close()
    print(f"missed: {missed}" if missed else "all figures reached")
    return 1 if missed else 0


def show(wrong: list[tuple[str, str]], count: int) -> None:
    """Print some wrong answers."""
    for question, text in wrong[:count]:
        print(f"    ? {question}\n    > {text}")


if __name__ == "__main__":
    raise SystemExit(main())
