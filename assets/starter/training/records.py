"""Documents that read like real ones: records.txt holds sentences of everyday documents and what people ask about them.

Sentences of one kind of document stand together in a few passages; names, numbers and some of the ordinary words are drawn
anew each time, so that a quote has to be copied and cannot be learnt by heart.
"""

import random
import re
from dataclasses import dataclass
from pathlib import Path

import documents
import sentences

HERE = Path(__file__).parent
_SLOT = re.compile(r"\{([^{}]*)\}")
_WORD = re.compile(r"[A-Za-z]+")


@dataclass(frozen=True)
class Record:
    """One sentence of a document and the questions that it answers, with their slots."""

    sentence: str
    questions: tuple[str, ...]


def read(path: Path) -> list[list[Record]]:
    """Read the groups of records.txt."""
    groups: list[list[Record]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("="):
            groups.append([])
            continue
        sentence, *questions = (part.strip() for part in line.split("|"))
        groups[-1].append(Record(sentence, tuple(q for q in questions if q)))
    return groups


GROUPS = read(HERE / "records.txt")
_COMMON = set(
    """the and for with from that this have has are was were been will must may can not you your our their they them there
    which who whom what when where how why does did much many long all each every any some only into onto over under after
    before until about than then more most less least very also but or its his her him she out off per one two three""".split()
)  # what holds a sentence together stays
LEXICON = sorted(
    set(sentences.WORDS)
    | {
        word
        for group in GROUPS
        for record in group
        for text in (record.sentence, *record.questions)
        for word in _WORD.findall(_SLOT.sub(" ", text))
        if word.islower() and len(word) > 3 and word not in _COMMON
    }
)
_STREETS = "Street Road Lane Avenue Square Hill Court Way".split()
_FOODS = "bread cheese soup rice apple pie fish salad beans pasta potatoes eggs porridge cake tomatoes honey".split()


def _money(rng: random.Random) -> str:
    amount = rng.choice([rng.randint(2, 60), rng.randint(10, 999), rng.randint(1000, 4000)])
    cents = rng.choice(["", "", f".{rng.randint(0, 99):02d}"])
    return rng.choice([f"{amount}{cents} euros", f"{amount} euros", f"${amount}{cents}", f"{amount}{cents} EUR", f"{amount} pounds"])


def _time(rng: random.Random) -> str:
    hour, minute = rng.randint(1, 12), rng.choice(["00", "15", "30", "45"])
    return rng.choice([f"{hour}:{minute}", f"{rng.randint(6, 22)}:{minute}", f"{hour} {rng.choice(['am', 'pm'])}", f"{hour} o'clock"])


def _draw(slot: str, rng: random.Random) -> str:
    """Return something for a slot; its number is left away already."""
    if "/" in slot:
        return rng.choice(slot.split("/"))
    return {
        "name": lambda: f"{_first(rng)} {documents.word(rng)}",
        "first": lambda: _first(rng),
        "X": lambda: documents.word(rng),
        "n": lambda: str(rng.randint(2, rng.choice([20, 200, 9000]))),
        "k": lambda: str(rng.randint(2, 19)),
        "price": lambda: _money(rng),
        "date": lambda: f"{rng.randint(1, 28)} {rng.choice(documents._MONTHS)}" + rng.choice(["", f" {rng.randint(1990, 2032)}"]),
        "year": lambda: str(rng.randint(1700, 2029)),
        "weekday": lambda: rng.choice(documents._WEEKDAYS),
        "month": lambda: rng.choice(documents._MONTHS),
        "time": lambda: _time(rng),
        "colour": lambda: rng.choice(documents._COLOURS),
        "phone": lambda: f"0{rng.randint(10, 99)} {rng.randint(1000, 9999)}",
        "code": lambda: documents.word(rng).lower() + str(rng.randint(10, 99)),
        "email": lambda: f"{documents.word(rng).lower()}@{documents.word(rng).lower()}.{rng.choice(['com', 'org', 'net'])}",
        "street": lambda: f"{rng.randint(1, 200)} {documents.word(rng)} {rng.choice(_STREETS)}",
        "unit": lambda: rng.choice(documents._UNITS),
        "percent": lambda: f"{rng.randint(1, 99)} {rng.choice(['percent', '%', '%'])}".replace(" %", "%"),
        "city": lambda: documents.word(rng),
        "thing": lambda: rng.choice(documents._THINGS),
        "food": lambda: rng.choice(_FOODS),
    }[slot]()  # fmt: skip


def _first(rng: random.Random) -> str:
    return rng.choice(documents._FIRST) if rng.random() < 0.6 else documents.word(rng)


def _filled(text: str, rng: random.Random, given: dict[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        slot = match[1]
        if "/" in slot:
            return _draw(slot, rng)
        if slot not in given:
            given[slot] = _draw(slot.rstrip("0123456789"), rng)
        return given[slot]

    return _SLOT.sub(value, text)


def _reworded(texts: list[str], rng: random.Random) -> list[str]:
    """Put other words, partly invented ones, in the place of some; the same in all texts."""
    words = sorted({w for w in _WORD.findall(texts[0]) if w.islower() and len(w) > 3 and w not in _COMMON})
    if not words:
        return texts
    chosen = rng.sample(words, min(len(words), rng.choice([1, 1, 2, 2, 3, 4])))
    other = {w: rng.choice(LEXICON) if rng.random() < 0.7 else documents.word(rng).lower() for w in chosen}
    return [_WORD.sub(lambda match: other.get(match[0], match[0]), text) for text in texts]


def _asked(question: str, rng: random.Random) -> str:
    """Write a question as people type."""
    if rng.random() < 0.15:
        question = rng.choice(documents._LEADS) + question
    if rng.random() < 0.25:
        question = question[:1].lower() + question[1:]
    elif rng.random() < 0.8:
        question = question[:1].upper() + question[1:]
    if question.endswith("?") and rng.random() < 0.15:
        question = question[:-1]
    return question


def _pair(record: Record | None, rng: random.Random) -> tuple[str, str]:
    """Return a sentence and one question about it; None is any sentence by grammar."""
    if record is None:
        sentence, question = sentences.pair(rng)
        return sentence, _asked(question, rng)
    given: dict[str, str] = {}
    texts = [_filled(record.sentence, rng, given), _filled(rng.choice(record.questions), rng, given)]
    if rng.random() < 0.5:
        texts = _reworded(texts, rng)
    return texts[0][:1].upper() + texts[0][1:], _asked(texts[1], rng)


def _chunked(texts: list[str], rng: random.Random) -> list[list[int]]:
    """Part the sentences into passages, in order: mostly a few sentences each, as a document is cut."""
    if len(texts) <= 4 and rng.random() < 0.4:
        return [list(range(len(texts)))]
    most = rng.choice([1, 2, 3, 3, 4])
    passages: list[list[int]] = []
    for number in range(len(texts)):
        if passages and len(passages[-1]) < most and rng.random() < 0.8:
            passages[-1].append(number)
        else:
            passages.append([number])
    return passages


def questions(rng: random.Random) -> list[tuple[str, str]]:
    """Return turns: a document with a question about it, and sometimes more questions about the same passages."""
    group = rng.choice(GROUPS)
    records = rng.sample(group, min(len(group), rng.randint(1, 7)))
    if rng.random() < 0.3:  # no document of any kind
        records = []
    strangers = [rng.choice(rng.choice(GROUPS)) for _ in range(rng.choice([0, 0, 0, 1, 2]))]
    by_grammar = rng.choice([0, 0, 1, 2]) if records else rng.randint(1, 7)
    all_records = [*records, *(record for record in strangers if record not in group), *([None] * by_grammar)]
    pairs = [_pair(record, rng) for record in all_records]
    if rng.random() < 0.7:
        rng.shuffle(pairs)
    texts = [sentence for sentence, _ in pairs]
    passages = _chunked(texts, rng)
    if len(passages) > 1 and rng.random() < 0.5:
        rng.shuffle(passages)
    number_of = {index: number for number, passage in enumerate(passages, 1) for index in passage}
    shown = [" ".join(texts[index] for index in passage) for passage in passages]
    asked = [(question, f'[{number_of[i]}] "{sentence}"') for i, (sentence, question) in enumerate(pairs)]
    rng.shuffle(asked)
    missing = [record for record in group if record not in records]
    if rng.random() < 0.14:
        record = rng.choice(missing) if missing and rng.random() < 0.6 else rng.choice(rng.choice([g for g in GROUPS if g is not group]))
        asked.insert(0, (_pair(record, rng)[1], documents.ABSENT))
    turns = [("User", documents.prompt_of(shown, asked[0][0])), ("Assistant", asked[0][1])]
    if rng.random() < 0.6:
        for question, answer in asked[1 : 1 + rng.randint(1, 4)]:
            turns += [("User", f"Question: {question}"), ("Assistant", answer)]
    return turns
