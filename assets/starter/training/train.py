"""Train the starter model from nothing: `python train.py --out DIR`. Seeded; continues from DIR/checkpoint.pt.

Every step draws its own conversations from (seed, step), so a continued run is the same run.
"""

import argparse
import csv
import os
import queue
import random
import threading
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait do not take the cores from other programs

import torch  # noqa: E402
from torch import Tensor
from torch.nn import functional as F

import generate
import tokens
from model import BitNet, Size
from optim import Muon

ROWS, LENGTH = 16, 320
OTHER_WEIGHT = 0.05  # of the loss on tokens that the model does not write itself


def batch(encoder: tokens.Encoder, seed: int, step: int, progress: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return ids, weights of the loss, and the number of the conversation that each token belongs to."""
    rng = random.Random(f"{seed}:{step}")
    ids = torch.zeros(ROWS, LENGTH, dtype=torch.long)
    weight = torch.zeros(ROWS, LENGTH)
    part = torch.zeros(ROWS, LENGTH, dtype=torch.int32)
    pool: list[tuple[list[int], list[bool]]] = []  # drawn, but too long for what was left of a row
    for row in range(ROWS):
        at, number, misses = 0, 0, 0
        while misses < 5:
            fitting = next((i for i, drawn in enumerate(pool) if at + len(drawn[0]) <= LENGTH), None)
            if fitting is not None:
                tokens_, own = pool.pop(fitting)
            else:
                cut = 6 if rng.random() < 0.65 else None
                tokens_, own = encoder.conversation(generate.conversation(rng, progress), rng.random() < 0.1, cut)
                if at + len(tokens_) > LENGTH:
                    misses += 1
                    if len(tokens_) <= LENGTH:
                        pool.append((tokens_, own))
                    continue
            end = at + len(tokens_)
            ids[row, at:end] = torch.tensor(tokens_)
            weight[row, at:end] = torch.tensor(own, dtype=torch.float).clamp(min=OTHER_WEIGHT)
            weight[row, at] = 0.0  # nothing predicts the first token
            number += 1
            part[row, at:end] = number
            at = end
    return ids, weight, part


def mask_of(part: Tensor) -> Tensor:
    """Causal attention within one conversation."""
    same = part[:, :, None] == part[:, None, :]
    return torch.tril(same)[:, None]


def schedule(progress: float) -> tuple[float, float]:
    """Return the factors of learning rate and weight decay: two stages, as in the BitNet reports."""
    if progress < 0.27:
        return min(1.0, progress / 0.02), 1.0
    if progress < 0.6:
        return 0.6, 1.0
    return 0.5 * (1.0 - progress) / 0.4, 0.0


class Batches:
    """Draws batches ahead of time in a thread."""

    def __init__(self, encoder: tokens.Encoder, seed: int, first: int, total: int) -> None:
        self.ready: queue.Queue[tuple[Tensor, Tensor, Tensor]] = queue.Queue(8)
        self.thread = threading.Thread(target=self._fill, args=(encoder, seed, first, total), daemon=True)
        self.thread.start()

    def _fill(self, encoder: tokens.Encoder, seed: int, first: int, total: int) -> None:
        for step in range(first, total):
            self.ready.put(batch(encoder, seed, step, step / total))

    def get(self) -> tuple[Tensor, Tensor, Tensor]:
        """The next batch."""
        return self.ready.get()


def loss_of(model: torch.nn.Module, ids: Tensor, weight: Tensor, part: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the weighted loss, the loss on the model's own tokens, and the share of these that it gets right."""
    logits = model(ids, mask_of(part))[:, :-1]
    target, weight = ids[:, 1:], weight[:, 1:]
    each = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), target.reshape(-1), reduction="none").view_as(weight)
    own = (weight == 1.0).float()
    right = (logits.argmax(-1) == target).float()
    return (each * weight).sum() / weight.sum(), (each * own).sum() / own.sum(), (right * own).sum() / own.sum()


def copy_accuracy(model: BitNet, encoder: tokens.Encoder, seed: int) -> float:
    """Share of held-out documents whose whole answer is the likeliest one at every token."""
    rng = random.Random(f"{seed}:copy")
    rows = []
    for _ in range(32):
        prompt, answer = generate.documents.document(rng, is_test=True)
        rows.append(encoder.conversation([("User", prompt), ("Assistant", answer)]))
    length = max(len(ids) for ids, _ in rows)
    ids = torch.zeros(len(rows), length, dtype=torch.long)
    own = torch.zeros(len(rows), length, dtype=torch.bool)
    for i, (row, marks) in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        own[i, : len(row)] = torch.tensor(marks)
    with torch.no_grad():
        mask = torch.ones(length, length, dtype=torch.bool).tril().expand(len(rows), 1, -1, -1)
        right = model(ids, mask)[:, :-1].argmax(-1) == ids[:, 1:]
    return (right | ~own[:, 1:]).all(1).float().mean().item()


def plot(log: Path, image: Path) -> None:
    """Draw the curves of log.csv."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with log.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    steps = [int(row["step"]) for row in rows]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.2), dpi=70)
    left.semilogy(steps, [float(row["answer_loss"]) for row in rows])
    left.set(title="loss on the answers", xlabel="step")
    right.plot(steps, [float(row["copy"]) for row in rows])
    right.set(title="held-out documents quoted exactly", xlabel="step", ylim=(0, 1))
    figure.tight_layout()
    figure.savefig(image)


def main() -> None:
    """Train and keep checkpoints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoint, the log and the tokenizer")
    parser.add_argument("--steps", type=int, default=4800)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rate", type=float, default=0.02, help="of Muon; the embedding and the norms get a fifth of it")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    size = Size()
    vocabulary = options.out / "tokenizer.json"
    if not vocabulary.exists():
        print("learning the tokenizer", flush=True)
        tokens.train_tokenizer(vocabulary, size.vocab_size, options.seed)
    encoder = tokens.Encoder(vocabulary)
    model = BitNet(size)
    matrices = [p for name, p in model.named_parameters() if name.endswith("_proj")]
    others = [p for name, p in model.named_parameters() if not name.endswith("_proj")]
    muon = Muon(matrices)
    adam = torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    first = 0
    saved = options.out / "checkpoint.pt"
    log = options.out / "log.csv"
    if saved.exists():
        state = torch.load(saved, weights_only=True)
        model.load_state_dict(state["model"])
        muon.load_state_dict(state["muon"])
        adam.load_state_dict(state["adam"])
        first = state["step"]
    else:
        log.write_text("step,tokens,loss,answer_loss,answer_right,copy,seconds\n", encoding="utf-8")
    compiled = torch.compile(model, dynamic=False)
    batches = Batches(encoder, options.seed, first, options.steps)
    began = time.monotonic()
    sums = torch.zeros(3)
    every = 50
    for step in range(first, options.steps):
        rate, decay = schedule(step / options.steps)
        loss, answer_loss, right = loss_of(compiled, *batches.get())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(others, 1.0)
        muon.step(options.rate * rate, 0.1 * decay)
        for group in adam.param_groups:
            group["lr"] = options.rate / 5 * rate
        adam.step()
        model.zero_grad(set_to_none=True)
        sums += torch.stack([loss.detach(), answer_loss.detach(), right])
        done = step + 1
        if done % every == 0 or done == options.steps:
            n = done % every or every
            means = (sums / n).tolist()
            sums.zero_()
            copied = copy_accuracy(model, encoder, options.seed)
            spent = time.monotonic() - began
            speed = (done - first) * ROWS * LENGTH / spent
            with log.open("a", encoding="utf-8") as file:
                values = [done, done * ROWS * LENGTH, *(f"{m:.4f}" for m in means), f"{copied:.3f}", f"{spent:.0f}"]
                file.write(",".join(map(str, values)) + "\n")
            left = (options.steps - done) / (done - first) * spent
            print(
                f"{done}/{options.steps} loss {means[0]:.3f} answers {means[1]:.4f} right {means[2]:.3f} copied {copied:.2f} "
                f"{speed:.0f} tokens/s, {left / 60:.0f} min left", flush=True,
            )  # fmt: skip
        if done % 100 == 0 or done == options.steps:
            state = {"model": model.state_dict(), "muon": muon.state_dict(), "adam": adam.state_dict(), "step": done}
            torch.save(state, f"{saved}.new")
            os.replace(f"{saved}.new", saved)
    plot(log, options.out / "loss.png")


if __name__ == "__main__":
    main()
