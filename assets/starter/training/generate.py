"""Conversations for training and evaluation, all drawn from the grammars beside this file.

A conversation is a list of (role, text). Everything is decided by the random generator passed in.
"""

import random
from dataclasses import dataclass, field
from pathlib import Path

import beyond
import documents
import records

HERE = Path(__file__).parent
MACROS = {
    "{H}": "(how do i|how do i|how can i|how to|what is the way to|how does one|tell me how to|i want to|i would like to|"
    "i need to|is there a way to|can i|show me how to|how could i|what do i do to|is it possible to|)",
    "{WI}": "(what is|what is|what's|what are|explain|tell me about|describe|what about|what exactly is|define|)",
    "{TERN}": "(tern|tern|it|this app|the app|this program)",
}
SYSTEMS = (
    "You are a helpful assistant.", "You are a helpful AI assistant.", "You are a friendly guide to Tern.", "Answer briefly.",
    "You are the assistant of Tern.", "Be kind and short.", "Answer in simple English.",
)  # fmt: skip
OPENINGS = (
    "hi, ", "hello, ", "hey, ", "please tell me, ", "tell me, ", "a question: ", "quick question: ", "sorry, ", "so ", "and ",
    "now ", "ok, ", "excuse me, ", "i wonder, ", "please, ", "one more thing: ", "i have a question, ", "well, ", "hmm, ",
    "i would like to know, ", "do you know, ", "could you tell me, ", "just asking, ", "i am new here, ", "i forgot, ",
)  # fmt: skip
ENDINGS = (" please", " thanks", " now", " exactly", " again", " then", ", please", ", thank you", " here", " anyway")
EXTRA = (
    "just", "really", "actually", "simply", "please", "maybe", "quickly", "now", "today", "here", "always", "often", "also",
    "still", "then", "exactly", "somehow", "later", "by the way", "at work", "at home", "at night", "in the evening", "for my work",
    "on my laptop", "on this computer", "for me", "for my mother", "with tern", "in tern", "in the app", "in this program", "sometimes",
    "since yesterday", "all the time", "every day", "as a beginner", "in general", "i think", "you know", "of course", "by myself",
    "the", "a", "my", "this", "some", "it", "that", "and", "so", "well", "very", "much", "too", "only", "again", "already",
)  # fmt: skip
SAME = [
    group.split("/")
    for group in """chat/conversation|chats/conversations|answer/reply/response|answers/replies/responses|settings/preferences/options
delete/remove/erase|computer/laptop/machine/pc|shortcut/key/key combination|choose/pick/select|folder/directory|show/display
internet/network/web|start/begin|stop/halt/end|bigger/larger|big/large|small/little/tiny|app/program/application|change/alter/modify
wrong/false/incorrect|fast/quick|see/view/look at|message/prompt/question|documents/files/papers|document/file/text|keep/store
get/obtain/have|need/require|want/wish|a new/another/a fresh|pdf/contract/report|history/past conversations|earlier/old/former/previous
likely/probable|happens/will happen|what does/tell me what does|mean/stand for|secret/private/confidential
default/standard/usual|words/text|use/employ|make/create|run/work|save/keep|find/locate|model/language model|quit/leave""".replace(
        "\n", "|"
    ).split("|")
]
SYNONYMS = {word: [w for w in group if w != word] for group in SAME for word in group if " " not in word}
SMALL_WORDS = set("how do i the a an to can is are does of my what in it you please".split())


@dataclass
class Fact:
    """One thing that the model knows: its answer, how it is asked, and what a right answer must hold."""

    name: str
    answer: str = ""
    keys: list[list[str]] = field(default_factory=list)
    more: str = ""
    questions: list[str] = field(default_factory=list)
    held_out: list[str] = field(default_factory=list)


def read_facts(path: Path) -> list[Fact]:
    """Read facts.txt or talk.txt."""
    facts: list[Fact] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        mark, rest = line[0], line[2:]
        if mark == "@":
            facts.append(Fact(rest))
        elif mark == "A":
            facts[-1].answer = rest
        elif mark == "K":
            facts[-1].keys = [key.strip().split("/") for key in rest.split(" ; ")]
        elif mark == "M":
            facts[-1].more = rest
        else:
            (facts[-1].questions if mark == "Q" else facts[-1].held_out).append(rest)
    return facts


documents.MORE_WORDS.extend(records.LEXICON)
FACTS = read_facts(HERE / "facts.txt")
PHRASES: dict[str, list[str]] = {}
for _more in read_facts(HERE / "phrases.txt"):  # a fact may stand there several times
    PHRASES.setdefault(_more.name, []).extend(_more.questions)
_HELD_OUT = {fact.name: fact.held_out for fact in read_facts(HERE / "held_out.txt")}
for _fact in FACTS:
    _fact.questions += PHRASES.get(_fact.name, [])
    _fact.held_out += _HELD_OUT.get(_fact.name, [])
TALK = read_facts(HERE / "talk.txt")
MORE = ("tell me more", "more", "more please", "go on", "more about that", "tell me more about that", "can you say more", "and", "explain")


def expand(text: str, rng: random.Random) -> str:
    """Pick one of the alternatives of every (a|b), innermost first."""
    for name, body in MACROS.items():
        text = text.replace(name, body)
    while ")" in text:
        end = text.index(")")
        start = text.rindex("(", 0, end)
        text = text[:start] + rng.choice(text[start + 1 : end].split("|")) + text[end + 1 :]
    return " ".join(text.split()).replace(" ,", ",")


def _misspelled(text: str, rng: random.Random) -> str:
    words = text.split(" ")
    i = rng.randrange(len(words))
    w = words[i]
    if len(w) < 4 or not w.isalpha():
        return text
    k = rng.randrange(1, len(w) - 1)
    words[i] = rng.choice([w[:k] + w[k + 1 :], w[:k] + w[k] + w[k:], w[: k - 1] + w[k] + w[k - 1] + w[k + 1 :]])
    return " ".join(words)


def _other_words(text: str, rng: random.Random) -> str:
    words = [rng.choice(SYNONYMS[w]) if w in SYNONYMS and rng.random() < 0.3 else w for w in text.split(" ")]
    return " ".join(words)


def _loosened(text: str, rng: random.Random) -> str:
    """Leave out a word here and there, or put one in that adds nothing."""
    words = text.split(" ")
    if len(words) > 3 and rng.random() < 0.6:
        words = [w for w in words if rng.random() > 0.13] or words
    if rng.random() < 0.5:
        words.insert(rng.randrange(len(words) + 1), rng.choice(EXTRA))
    return " ".join(words)


def styled(text: str, rng: random.Random, *, plain: bool = False) -> str:
    """Write a question as people do: with or without capitals, greeting, question mark, typos."""
    if not plain:
        if rng.random() < 0.5:
            text = _other_words(text, rng)
        if rng.random() < 0.35:
            text = _loosened(text, rng)
        if rng.random() < 0.05 and len(text.split()) > 3:
            text = " ".join(w for w in text.split() if w not in SMALL_WORDS) or text
        if rng.random() < 0.25:
            text = rng.choice(OPENINGS) + text
        if rng.random() < 0.1:
            text += rng.choice(ENDINGS)
        if rng.random() < 0.1:
            text = _misspelled(text, rng)
    if rng.random() < 0.6:
        text = text[:1].upper() + text[1:]
        text = text.replace(" i ", " I ").replace(" i'", " I'")
        if rng.random() < 0.8:
            text = text.replace(" tern", " Tern")
    return text + rng.choice(["?", "?", "?", "", "", "."])


def _with_articles(text: str) -> str:
    return " ".join(text.split())


def about_tern(rng: random.Random) -> list[tuple[str, str]]:
    """A question about Tern and its answer, now and then followed by more."""
    fact = rng.choice(FACTS)
    turns = [("User", styled(expand(rng.choice(fact.questions), rng), rng)), ("Assistant", fact.answer)]
    if fact.more and rng.random() < 0.3:
        turns += [("User", styled(rng.choice(MORE), rng, plain=True)), ("Assistant", fact.more)]
    return turns


def small_talk(rng: random.Random) -> list[tuple[str, str]]:
    """A greeting or the like."""
    if rng.random() < 0.06:
        name = rng.choice([documents.word(rng), rng.choice(documents._FIRST)])
        text = rng.choice(["my name is {}", "i am {}", "i'm {}", "call me {}", "hello, my name is {}", "hi, i am {}"]).format(name)
        return [("User", text[:1].upper() + text[1:] + rng.choice([".", "", "!"])), ("Assistant", f"Nice to meet you, {name}!")]
    talk = rng.choice(TALK)
    text = styled(expand(rng.choice(talk.questions), rng), rng, plain=rng.random() < 0.6)
    return [("User", text.rstrip("?.") + rng.choice(["", "", "!", ".", "?"])), ("Assistant", talk.answer)]


def beyond_it(rng: random.Random) -> list[tuple[str, str]]:
    """A question that the model cannot answer, and its saying so."""
    text, kind = beyond.question(rng, expand)
    return [("User", styled(_with_articles(text), rng)), ("Assistant", beyond.ANSWERS[kind])]


def conversation(rng: random.Random, progress: float) -> list[tuple[str, str]]:
    """Return one conversation; `progress` 0..1 moves from copying to the final mixture."""
    copying = max(0.08, 0.5 if progress < 0.2 else 0.5 - 1.4 * (progress - 0.2))
    repeating = max(0.1, 0.6 - progress)
    r = rng.random()
    system = [("System", rng.choice([SYSTEMS[0], SYSTEMS[0], rng.choice(SYSTEMS)]))] if rng.random() < 0.6 else []
    if r < copying:
        return system + (documents.repeating(rng) if rng.random() < repeating else documents.copying(rng))
    if rng.random() < 0.32:
        if rng.random() < 0.6:
            return [*system, *records.questions(rng)]
        level = 0 if rng.random() > 4 * progress else 1 if rng.random() > 2 * progress else 2
        return [*system, *(small_talk(rng) if rng.random() < 0.05 else []), *documents.questions(rng, level)]
    turns = []
    for _ in range(rng.choice([1, 1, 1, 1, 2, 3])):
        kind = rng.random()
        turns += about_tern(rng) if kind < 0.62 else beyond_it(rng) if kind < 0.94 else small_talk(rng)
    return system + turns


def is_learnt_by_heart(text: str) -> bool:
    """Whether an answer is one of the fixed ones."""
    return text in FIXED


FIXED = {*(fact.answer for fact in (*FACTS, *TALK)), *(fact.more for fact in FACTS), *beyond.ANSWERS.values()}
