"""Synthetic documents with one question each: numbered passages, and the exact sentence that answers.

The prompt is

    Passages:
    [1] Sentence. Sentence.
    [2] Sentence.
    Question: ...?

and the answer `[2] "Sentence."`, or ABSENT where no passage holds it.
"""

import random

ABSENT = "That is not in the passages."

_ONSETS = "b br c ch d dr f fl g gr h j k kl l m n p pr qu r s sh st t tr v w z".split()
_VOWELS = "a e i o u ai ea oo au ia".split()
_CODAS = "n r l s m t x nd rk st ss th ck lo na ra mi do ton ley field berg ville ford ham".split()
_FIRST = """Anna Boris Clara David Emil Frieda Greta Hugo Ivan Julia Karl Lena Maria Nils Olga Paul Rosa Simon Tina Viktor
Wanda Yusuf Amir Bela Chloe Diego Elena Farid Hana Igor Jonas Kofi Lucia Mei Noor Oskar Priya Ravi Sara Tomas""".split()
_TEST_FIRST = "Agnes Bruno Carla Dario Edith Felix Gisela Henri Ines Jakob".split()
_MONTHS = "January February March April May June July August September October November December".split()
_COLOURS = "red blue green yellow white black grey brown silver orange".split()
_THINGS = """lamp pump heater printer bicycle tractor boat drill oven camera tent kettle sofa desk mower ladder trailer saw
radio fan scooter mixer boiler crane""".split()
_PLACES = "library museum office school station bakery clinic harbour market theatre workshop garden bridge tower pool".split()
_GOODS = "wheat paper steel coffee timber glass cotton bricks apples wool salt tea leather copper cement".split()
_ROLES = "director teacher editor cook mayor pilot nurse guard driver engineer secretary gardener librarian captain".split()
_UNITS = "days weeks months years hours".split()


def word(rng: random.Random) -> str:
    """Return an invented proper name."""
    syllables = [rng.choice(_ONSETS) + rng.choice(_VOWELS) for _ in range(rng.choice([1, 1, 2]))]
    return ("".join(syllables) + rng.choice(_CODAS)).capitalize()


# Sentence | question | question ... ; {x} the thing asked about, the rest is drawn. `#` begins what only training sees,
# `*` a question that only the evaluation sees.
_KINDS = """The warranty of the {X} {thing} lasts {n} {unit}.|How long is the warranty of the {X} {thing}?|How long does the {X} {thing} have a warranty?|What warranty does the {X} {thing} have?|How many {unit} of warranty has the {X} {thing}?|*For how long is the {X} {thing} under warranty?
The {X} {place} opens at {h} o'clock.|When does the {X} {place} open?|At what time does the {X} {place} open?|When can I enter the {X} {place}?|What time opens the {X} {place}?|Tell me when the {X} {place} opens.|*What is the opening time of the {X} {place}?
The {X} {place} was built in {year}.|When was the {X} {place} built?|In which year was the {X} {place} built?|How old is the {X} {place}?|What is the year of the {X} {place}?|When did somebody build the {X} {place}?|*In what year did they build the {X} {place}?
{name} is the {role} of {X}.|Who is the {role} of {X}?|What is the name of the {role} of {X}?|Which person is the {role} of {X}?|Who works as the {role} of {X}?|Who is {role} at {X}?|Name the {role} of {X}.|*Tell me who the {role} of {X} is.
The {X} {thing} costs {n} euros.|How much does the {X} {thing} cost?|What is the price of the {X} {thing}?|What does the {X} {thing} cost?|Tell me the price of the {X} {thing}.|How many euros is the {X} {thing}?|*How expensive is the {X} {thing}?
The {X} {thing} weighs {n} kilograms.|How heavy is the {X} {thing}?|How much does the {X} {thing} weigh?|How many kilograms does the {X} {thing} weigh?|Tell me how heavy the {X} {thing} is.|Weight of the {X} {thing}?|*What is the weight of the {X} {thing}?
The colour of the {X} {thing} is {colour}.|What colour is the {X} {thing}?|Which colour does the {X} {thing} have?|What is the colour of the {X} {thing}?|Tell me the colour of the {X} {thing}.|The {X} {thing} has which colour?|*In which colour does the {X} {thing} come?
The contract with {X} ends on {date}.|When does the contract with {X} end?|Until when does the contract with {X} run?|How long does the contract with {X} last?|What is the end of the contract with {X}?|Which day ends the contract with {X}?|*On which day does the contract with {X} end?
The rent of the {X} {place} is {n} euros a month.|What is the rent of the {X} {place}?|How much rent does the {X} {place} cost?|What does the {X} {place} cost a month?|Tell me the rent of the {X} {place}.|What rent has the {X} {place}?|*How much is the monthly rent of the {X} {place}?
{X} delivers {goods} every {k} {unit}.|What does {X} deliver?|How often does {X} deliver {goods}?|What goods come from {X}?|How many {unit} are between the deliveries of {X}?|What is delivered by {X}?|*Which goods does {X} deliver?
{name} lives in {X}.|Who lives in {X}?|Which person lives in {X}?|Whose home is {X}?|Tell me who lives in {X}.|*What is the name of the person who lives in {X}?
{name} bought the {X} {thing} on {date}.|Who bought the {X} {thing}?|When was the {X} {thing} bought?|Who is the buyer of the {X} {thing}?|Which person bought the {X} {thing}?|On which date was the {X} {thing} bought?|*By whom was the {X} {thing} bought?
The meeting about {X} takes place on {date}.|When is the meeting about {X}?|When does the meeting about {X} take place?|On which day is the meeting about {X}?|Tell me the date for {X}.|What day will they meet about {X}?|*What is the date of the meeting about {X}?
The {X} {place} has {n} rooms.|How many rooms does the {X} {place} have?|What is the number of rooms in the {X} {place}?|How large is the {X} {place}?|Tell me the number of rooms of the {X} {place}.|How many rooms has the {X} {place}?|*How many rooms are there in the {X} {place}?
The notice period at {X} is {k} {unit}.|What is the notice period at {X}?|How long is the notice period at {X}?|Tell me the notice period at {X}.|How long must I give notice at {X}?|What notice is needed at {X}?|*Which notice period applies at {X}?
The password of the {X} {thing} is {code}.|What is the password of the {X} {thing}?|Tell me the password of the {X} {thing}.|How do I log in to the {X} {thing}?|Password of the {X} {thing}?|*Which password does the {X} {thing} have?
The phone number of {X} is {phone}.|What is the phone number of {X}?|Under which number can I call {X}?|Tell me the number of {X}.|How do I call {X}?|Which phone number does {X} have?|*Give me the phone number of {X}.
The {X} {place} is closed on {weekday}.|When is the {X} {place} closed?|On which day is the {X} {place} closed?|Which day is the {X} {place} not open?|On what day does the {X} {place} close?|Tell me when the {X} {place} is closed.|*Which day is the closing day of the {X} {place}?
{X} has {n} inhabitants.|How many people live in {X}?|How many inhabitants does {X} have?|How large is {X}?|How big is the number of people in {X}?|Tell me how many people {X} has.|*What is the population of {X}?
The train to {X} leaves from platform {k}.|From which platform does the train to {X} leave?|Where does the train to {X} leave?|Where do I get the train to {X}?|Which is the platform of the train to {X}?|What platform is it for {X}?|*Which platform has the train to {X}?
The {X} {thing} needs {n} litres of oil.|How much oil does the {X} {thing} need?|How many litres of oil does the {X} {thing} need?|What does the {X} {thing} need?|Tell me the oil for the {X} {thing}.|*What amount of oil does the {X} {thing} need?
The key of the {X} {place} is kept by {name}.|Who keeps the key of the {X} {place}?|Who has the key of the {X} {place}?|Where is the key of the {X} {place}?|Which person has the key of the {X} {place}?|Tell me who keeps the key of the {X} {place}.|*With whom is the key of the {X} {place}?
The {X} {thing} was repaired by {name}.|Who repaired the {X} {thing}?|By whom was the {X} {thing} repaired?|Which person repaired the {X} {thing}?|Name the one who repaired the {X} {thing}.|*Who was it that repaired the {X} {thing}?
Members of {X} pay {n} euros a year.|How much do members of {X} pay?|What is the yearly fee at {X}?|How many euros a year does {X} cost?|What is the fee for members of {X}?|What does it cost to be in {X}?|*What do members pay at {X}?"""
_FILLERS = """The weather was {adj} that day.|Please read this page with care.|More about this is said below.
All of this was agreed in writing.|The text was checked by {name}.|Nobody was against it.|This has not changed since {year}.
The {place} is near the {place}.|There is a {adj} {place} in the town.|Many people like the {adj} {thing}.
A {thing} stood beside the door.|In {month} everything was {adj}.|It is a {adj} place.|They sell {goods} and {goods}.""".replace("\n", "|").split("|")
_ADJECTIVES = "old new large small quiet busy cold warm bright famous simple strong empty clean long short dry wet".split()
_WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()


def _fill(text: str, rng: random.Random, given: dict[str, str], names: list[str]) -> str:
    draw = {
        "thing": lambda: rng.choice(_THINGS), "place": lambda: rng.choice(_PLACES), "goods": lambda: rng.choice(_GOODS),
        "role": lambda: rng.choice(_ROLES), "unit": lambda: rng.choice(_UNITS), "colour": lambda: rng.choice(_COLOURS),
        "name": lambda: f"{rng.choice(names) if names is _TEST_FIRST or rng.random() < 0.4 else word(rng)} {word(rng)}", "n": lambda: str(rng.randint(2, rng.choice([20, 200, 9000]))),
        "k": lambda: str(rng.randint(2, 19)), "h": lambda: str(rng.randint(5, 12)), "year": lambda: str(rng.randint(1700, 2029)),
        "date": lambda: f"{rng.randint(1, 28)} {rng.choice(_MONTHS)} {rng.randint(1990, 2032)}",
        "month": lambda: rng.choice(_MONTHS), "adj": lambda: rng.choice(_ADJECTIVES), "weekday": lambda: rng.choice(_WEEKDAYS),
        "code": lambda: word(rng).lower() + str(rng.randint(10, 99)), "phone": lambda: f"0{rng.randint(10, 99)} {rng.randint(1000, 9999)}",
    }  # fmt: skip
    while "{" in text:
        start, end = text.index("{"), text.index("}")
        key = text[start + 1 : end]
        value = given[key] if key in given else draw[key]()
        if "X" in given and key in ("thing", "place", "role", "goods"):
            given.setdefault(key, value)
        text = text[:start] + value + text[end + 1 :]
    return text


def _fact(rng: random.Random, names: list[str], *, is_test: bool, kind: str | None = None, subject: dict | None = None):
    sentence, *questions = (kind or rng.choice(_LINES)).split("|")
    wanted = [q.lstrip("*") for q in questions if q.startswith("*") == is_test]
    given = dict(subject or {"X": word(rng)})
    text = _fill(sentence, rng, given, names)
    question = _fill(rng.choice(wanted), rng, given, names)
    if not is_test and rng.random() < 0.2:
        question = rng.choice(_LEADS) + question
    return text, question, given


_LEADS = ("Please: ", "In these passages: ", "I want to know: ", "Can you find it? ", "Look it up: ", "By the text, ")
_LINES = _KINDS.splitlines()


def document(rng: random.Random, *, is_test: bool = False, level: int = 2) -> tuple[str, str]:
    """Return (prompt, answer). Level 0: single sentences; 1: up to two a passage; 2: fillers, absent answers as well."""
    prompt, answer, _ = _composed(rng, is_test=is_test, level=level)
    return prompt, answer


def questions(rng: random.Random, level: int) -> list[tuple[str, str]]:
    """Return turns: a document with its question, and sometimes more questions about the same passages."""
    prompt, answer, others = _composed(rng, is_test=False, level=level)
    turns = [("User", prompt), ("Assistant", answer)]
    if rng.random() < 0.7:
        for question, quote in rng.sample(others, rng.randint(1, len(others))):
            turns += [("User", f"Question: {question}"), ("Assistant", quote)]
    return turns


def _composed(rng: random.Random, *, is_test: bool, level: int) -> tuple[str, str, list[tuple[str, str]]]:
    """Return prompt and answer, and what else the passages answer."""
    names = _TEST_FIRST if is_test else _FIRST
    count = rng.randint(2, 5) if is_test else rng.choice([2, 3, 3, 4, 5]) if level else rng.randint(2, 4)
    facts = [_fact(rng, names, is_test=is_test) for _ in range(count)]
    wanted = rng.randrange(count)
    sentence, question, given = facts[wanted]
    texts = [[fact[0]] for fact in facts]
    if level and rng.random() < 0.4:  # another fact about the same subject, or the same fact about another one
        other = rng.choice([i for i in range(count) if i != wanted])
        kind = next(line for line in _LINES if _matches(line, sentence)) if rng.random() < 0.5 else None
        subject = None if kind else {"X": given["X"]}
        facts[other] = _fact(rng, names, is_test=is_test, kind=kind, subject=subject)
        texts[other] = [facts[other][0]]
    if level:
        for passage in texts:
            if rng.random() < 0.35:
                filler = _fill(rng.choice(_FILLERS), rng, {}, names) if rng.random() < 0.6 else _fact(rng, names, is_test=is_test)[0]
                passage.insert(rng.randrange(2), filler)
    answer = f'[{wanted + 1}] "{sentence}"'
    if level > 1 and not is_test and rng.random() < 0.12:
        texts[wanted] = [_fact(rng, names, is_test=is_test)[0]]
        answer = ABSENT
    others = [(fact[1], f'[{i + 1}] "{fact[0]}"') for i, fact in enumerate(facts) if i != wanted]
    return prompt_of([" ".join(p) for p in texts], question), answer, others


def _matches(line: str, sentence: str) -> bool:
    """Whether `sentence` was made from `line`, by its fixed words."""
    fixed = [w for w in line.split("|")[0].split() if "{" not in w]
    return all(w in sentence.split() for w in fixed)


def prompt_of(passages: list[str], question: str) -> str:
    """Return the user's turn for these passages."""
    listed = "\n".join(f"[{number}] {text}" for number, text in enumerate(passages, 1))
    return f"Passages:\n{listed}\nQuestion: {question}"


def copying(rng: random.Random) -> list[tuple[str, str]]:
    """Return a first exercise: numbered lines of random words, some of them asked for by their words or by number."""
    count = rng.randint(2, 5)
    lines = [" ".join(_any_word(rng) for _ in range(rng.randint(2, rng.choice([7, 7, 14])))).capitalize() + "." for _ in range(count)]
    turns = []
    for wanted in rng.sample(range(count), rng.randint(1, count)):
        words = lines[wanted].rstrip(".").split()
        ask = rng.choice([f"{words[-1]} {words[0]}", words[1], words[-1], " ".join(words[:2]), " ".join(words[-2:]), f"passage {wanted + 1}"])
        if sum(all(w in line.rstrip(".").split() for w in ask.split()) for line in lines) > 1:
            ask = f"passage {wanted + 1}"
        question = f"Question: {ask}?" if turns else prompt_of(lines, f"{ask}?")
        turns += [("User", question), ("Assistant", f'[{wanted + 1}] "{lines[wanted]}"')]
    return turns


def repeating(rng: random.Random) -> list[tuple[str, str]]:
    """Return the plainest exercise: say the same words again."""
    words = " ".join(_any_word(rng) for _ in range(rng.randint(3, 24)))
    return [("User", f"{rng.choice(['Repeat', 'Say', 'Copy', 'Please repeat', 'Repeat after me'])}: {words}"), ("Assistant", words)]


_WORDS = [*_THINGS, *_PLACES, *_GOODS, *_ROLES, *_COLOURS, *_ADJECTIVES, *_UNITS]
MORE_WORDS: list[str] = []  # filled with the ordinary words of records.txt


def _any_word(rng: random.Random) -> str:
    r = rng.random()
    if r < 0.5:
        return rng.choice(MORE_WORDS if MORE_WORDS and r < 0.35 else _WORDS)
    return word(rng) if r < 0.85 else str(rng.randint(1, 2000))
