"""Write the held-out questions once: `python held_out.py`. Templates and names in them are never used in training."""

import json
import random
from pathlib import Path

import beyond
import documents
import generate

FOLDER = Path(__file__).parent / "held_out"
SEED = 20261121


def capitalised(text: str, rng: random.Random) -> str:
    """Write a question as a person may."""
    if rng.random() < 0.6:
        text = text[:1].upper() + text[1:]
    return text.replace(" i ", " I ") + rng.choice(["?", "?", ""])


def about_tern(rng: random.Random) -> list[dict[str, object]]:
    """Every held-out question about Tern, with the key facts of a right answer."""
    return [
        {
            "fact": fact.name,
            "question": capitalised(generate.expand(text, rng), rng),
            "keys": fact.keys,
            "answer": fact.answer,
        }
        for fact in generate.FACTS
        for text in fact.held_out
    ]


def beyond_it(rng: random.Random, count: int) -> list[dict[str, str]]:
    """Questions that the model must decline."""
    seen: dict[str, dict[str, str]] = {}
    while len(seen) < count:
        text, kind = beyond.question(rng, generate.expand, is_test=True)
        text = " ".join(text.split())
        seen[text] = {"question": capitalised(text, rng), "kind": kind}
    return list(seen.values())


def from_documents(rng: random.Random, count: int, *, absent: bool = False) -> list[dict[str, object]]:
    """Passages with one question; `absent` takes away the passage that answers."""
    rows = []
    while len(rows) < count:
        prompt, answer = documents.document(rng, is_test=True)
        number, quote = int(answer[1]), answer[5:-1]
        if absent:
            if prompt.count("\n") < 4:
                continue
            *head, question = prompt.split("\n")
            kept = [line for i, line in enumerate(head) if i != number]
            texts = [line.split("] ", 1)[1] for line in kept[1:]]
            prompt = documents.prompt_of(texts, question.removeprefix("Question: "))
            rows.append({"prompt": prompt})
        else:
            rows.append({"prompt": prompt, "passage": number, "quote": quote})
    return rows


def closest(rows: list[dict[str, object]], rng: random.Random) -> list[float]:
    """Return for each question the share of words that it has in common with the nearest training question of its fact.

    Ends the program when training can draw the question itself, or nearly so.
    """
    shares = []
    facts = {fact.name: fact for fact in generate.FACTS}
    for row in rows:
        drawn = {generate.expand(text, rng) for text in facts[str(row["fact"])].questions for _ in range(400)}
        plain = str(row["question"]).lower().strip(" ?.!")
        words = frozenset(plain.split())
        share, text = max((len(words & bag) / len(words | bag), text) for text in drawn for bag in [frozenset(text.split())])
        if share > 0.8:
            raise SystemExit(f"too near to a training question: {plain} = {text}")
        shares.append(share)
    return shares


def main() -> None:
    """Write the files and check that training never draws one of the questions."""
    rng = random.Random(SEED)
    parts = {
        "tern": about_tern(rng),
        "beyond": beyond_it(rng, 100),
        "documents": from_documents(rng, 300),
        "absent": from_documents(rng, 50, absent=True),
    }
    nearest = closest(parts["tern"], rng)
    print(f"words shared with the nearest of the training questions: mean {sum(nearest) / len(nearest):.2f}")
    FOLDER.mkdir(exist_ok=True)
    for name, rows in parts.items():
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (FOLDER / f"{name}.jsonl").write_text(text, encoding="utf-8")
        print(name, len(rows))


if __name__ == "__main__":
    main()
