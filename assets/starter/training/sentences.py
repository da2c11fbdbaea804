"""Plain sentences by grammar, each with a question that it answers: who, what, where, when, why, how, how many, may I.

The words are ordinary ones in any combination, sensible or not: what counts is to find the sentence and to copy it.
"""

import random

import documents

_NOUNS = """apple arm baker ball basket bear bed bell bench bird blanket boat book bottle box branch bridge broom brother bucket
button cable cake candle carpet cart castle cat chain chair cheese child clock cloud coat coin cook corn cousin cow cup curtain
dancer daughter dentist desk doctor dog donkey door dress driver drum duck engine envelope farmer feather fence field file fish
flag flower fork fox frog garden gate gift girl glass glove goat grandmother guest hammer hat hedge hen horse hotel island jacket
jar judge key king kitchen kitten knife lake lamb lamp leaf lemon letter lion lock map market mechanic melon mirror monkey mouse
mushroom nail neighbour nephew nest net nurse oak onion orange owl painter parcel parrot path pen pencil pepper picture pig pillow
pilot pipe plate plum poem pond potter prince pump puppy queen rabbit raft ring river robot roof rope sailor sauce scarf sheep shelf
ship shirt shoe shop singer sister snake soldier spoon squirrel stone stove student swan table tailor teacher ticket tiger tool
towel toy train tree turtle uncle vase violin waiter wall wallet wheel widow window witch wolf worker yard""".split()
_VERBS = [
    tuple(verb.split("/"))
    for verb in """paint/painted/painted wash/washed/washed carry/carried/carried sell/sold/sold buy/bought/bought find/found/found hide/hid/hidden
lose/lost/lost open/opened/opened close/closed/closed repair/repaired/repaired clean/cleaned/cleaned cook/cooked/cooked count/counted/counted
draw/drew/drawn eat/ate/eaten feed/fed/fed follow/followed/followed forget/forgot/forgotten give away/gave away/given away help/helped/helped
hold/held/held keep/kept/kept kick/kicked/kicked lift/lifted/lifted like/liked/liked mend/mended/mended move/moved/moved pack/packed/packed
plant/planted/planted polish/polished/polished pull/pulled/pulled push/pushed/pushed read/read/read replace/replaced/replaced see/saw/seen
send/sent/sent show/showed/shown steal/stole/stolen store/stored/stored sweep/swept/swept take/took/taken teach/taught/taught throw/threw/thrown
touch/touched/touched turn/turned/turned use/used/used visit/visited/visited watch/watched/watched weigh/weighed/weighed wrap/wrapped/wrapped
write down/wrote down/written down build/built/built check/checked/checked choose/chose/chosen cut/cut/cut dry/dried/dried fill/filled/filled
hang up/hung up/hung up heat/heated/heated invite/invited/invited join/joined/joined load/loaded/loaded measure/measured/measured""".split()
    if verb.count("/") == 2
]
_NAMES_OF_PLACES = """behind the {n}|in the old {n}|near the {n}|under the {a} {n}|beside the {n}|in {X}|at the {X} {n}|on the {a} {n}|in front of the {n}
on the second floor|in the cellar|at the airport|by the sea|in the waiting room|on page {k}|next to the entrance|above the {n}|across the street""".replace(
    "\n", "|"
).split("|")
_TIMES = """every morning|every evening|on {weekday}|in {month}|at {h} o'clock|twice a week|once a year|after lunch|before sunrise|in the winter
every {k} days|at midnight|on the first day of {month}|during the night|after {k} minutes|in the spring|on {d} {month}|at the end of the month
within {k} hours|as soon as it rains|since {year}""".replace("\n", "|").split("|")
_REASONS = """it was {a}|the {n} was {a}|nobody came|the {n} had no {n}|it rained all day|there was no {n} left|the {n} made too much noise|she was tired
they had no money|the {n} was broken|he wanted to see the {n}|the shop was closed|it smelled of {n}|the {n} is too heavy""".replace("\n", "|").split("|")
_WAYS = """with a {a} {n}|with both hands|with cold water|very slowly|with great care|without a {n}|with soap|by hand|in one go|with a drop of oil
together with the {n}|from left to right|with {k} {n}s|quietly""".replace("\n", "|").split("|")
_CLAUSES = """the {n} is {a}|it begins to rain|the {n} stops|you lose the {n}|the light turns {colour}|nobody answers|the {n} falls down|it smells of smoke
the {n} does not open|you hear a noise|the number is above {k}|you feel ill|the {n} arrives late|the {n} is empty""".replace("\n", "|").split("|")
_ADJECTIVES = """angry bitter brave bright broken brown calm careful cheap clever cold curious damp dark deep dirty dry dusty early empty fresh full
gentle golden green happy heavy hollow hungry kind large late lazy little lonely long loud lucky narrow new noisy old pale polite
poor proud quick quiet red rich round rusty sad sharp short shy sick silent slow small soft sour steep strange strong sweet tall
thin tired tiny ugly warm weak wet white wide wild wise wooden yellow young""".split()


def _filled(text: str, rng: random.Random) -> str:
    while "{" in text:
        start, end = text.index("{"), text.index("}")
        value = {
            "n": lambda: _noun(rng), "a": lambda: rng.choice(_ADJECTIVES), "X": lambda: documents.word(rng), "k": lambda: str(rng.randint(2, 90)),
            "h": lambda: str(rng.randint(1, 12)), "d": lambda: str(rng.randint(1, 28)), "weekday": lambda: rng.choice(documents._WEEKDAYS),
            "month": lambda: rng.choice(documents._MONTHS), "year": lambda: str(rng.randint(1700, 2029)),
            "colour": lambda: rng.choice(documents._COLOURS),
        }[text[start + 1 : end]]()  # fmt: skip
        text = text[:start] + value + text[end + 1 :]
    return text


def _noun(rng: random.Random) -> str:
    return rng.choice(_NOUNS) if rng.random() < 0.85 else documents.word(rng).lower()


def _thing(rng: random.Random) -> str:
    r = rng.random()
    if r < 0.12:
        return f"the {documents.word(rng)} {_noun(rng)}"
    if r < 0.4:
        return f"the {rng.choice(_ADJECTIVES)} {_noun(rng)}"
    return f"{rng.choice(['the', 'the', 'the', 'his', 'her', 'our', 'their', 'your'])} {_noun(rng)}"


def _person(rng: random.Random) -> str:
    r = rng.random()
    if r < 0.3:
        return rng.choice(documents._FIRST)
    if r < 0.45:
        return f"{rng.choice(['Mr', 'Mrs', 'Dr', 'Captain'])} {documents.word(rng)}"
    return f"the {_noun(rng)}" if r < 0.75 else f"the {rng.choice(_ADJECTIVES)} {_noun(rng)}"


def pair(rng: random.Random) -> tuple[str, str]:
    """Return a sentence and a question that it answers."""
    who, what, (base, past, done) = _person(rng), _thing(rng), rng.choice(_VERBS)
    where, when = _filled(rng.choice(_NAMES_OF_PLACES), rng), _filled(rng.choice(_TIMES), rng)
    why, way, clause = (_filled(rng.choice(each), rng) for each in (_REASONS, _WAYS, _CLAUSES))
    number, things = str(rng.randint(2, rng.choice([20, 900]))), f"{rng.choice(_ADJECTIVES)} {_noun(rng)}s"
    forms = [
        (f"{who} {past} {what} {where}.", [f"Where did {who} {base} {what}?", f"Who {past} {what}?", f"What did {who} {base}?", f"What was {done} {where}?"]),
        (f"{who} {past} {what} because {why}.", [f"Why did {who} {base} {what}?", f"Why was {what} {done}?", f"For what reason did {who} {base} {what}?", f"Who {past} {what}?"]),
        (f"{what} is {done} {when}.", [f"When is {what} {done}?", f"How often is {what} {done}?", f"What is {done} {when}?", f"What happens to {what}?"]),
        (f"{who} has {number} {things}.", [f"How many {things} does {who} have?", f"What does {who} have?", f"Who has {number} {things}?", f"Number of {things}?"]),
        (f"{base} {what} {way}.", [f"How should I {base} {what}?", f"How do I {base} {what}?", f"What should I {base}?", f"How is {what} {done}?"]),
        (f"{base} {what} {when}.", [f"When should I {base} {what}?", f"How often do I {base} {what}?", f"What must be {done} {when}?", f"When is {what} {done}?"]),
        (f"{what} {rng.choice(['must not', 'may', 'can', 'should', 'cannot'])} be {done} {when}.", [f"May I {base} {what}?", f"Can {what} be {done}?", f"Is it allowed to {base} {what}?", f"Can I {base} {what} {when}?"]),
        (f"if {clause}, {base} {what}.", [f"What must I do if {clause}?", f"What should I do when {clause}?", f"When should I {base} {what}?", f"What if {clause}?"]),
        (f"{where} there is {what.replace('the ', 'a ', 1)}.", [f"What is {where}?", f"What is there {where}?", f"What can be found {where}?"]),
        (f"{who} wants to {base} {what} {when}.", [f"When does {who} want to {base} {what}?", f"What does {who} want to {base}?", f"Who wants to {base} {what}?", f"What is the plan of {who}?"]),
        (f"{what} costs {number} {rng.choice(['euros', 'dollars', 'pounds', 'coins'])} and is {done} {where}.", [f"How much is {what}?", f"What is the price of {what}?", f"Where is {what} {done}?", f"What does {what} cost?"]),
        (f"{when}, {who} {past} {what}.", [f"When did {who} {base} {what}?", f"What did {who} {base} {when}?", f"Who {past} {what}?", f"What happened {when}?"]),
    ]  # fmt: skip
    sentence, questions = rng.choice(forms)
    return sentence[:1].upper() + sentence[1:], rng.choice(questions)


WORDS = [*_NOUNS, *_ADJECTIVES, *(form for verb in _VERBS for form in verb if " " not in form)]
