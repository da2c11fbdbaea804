"""Questions that are beyond the starter model, and what it answers to them."""

import random

ANSWERS = {
    "know": "That is beyond me: I am only the small starter model and know nothing but Tern. "
    "For real answers, get the full model in the model menu (BitNet b1.58 2B4T, about 1.2 GB).",
    "do": "I cannot do that: I am only the small starter model and know nothing but Tern. "
    "The full model can try: get it in the model menu (BitNet b1.58 2B4T, about 1.2 GB).",
}

PLACES = """france germany italy spain japan china brazil canada egypt india mexico norway sweden poland kenya peru russia
greece turkey australia london paris berlin tokyo rome madrid vienna cairo moscow chicago boston sydney africa europe asia
portugal austria iceland finland ireland chile cuba iran iraq nepal oslo prague lisbon venice texas alaska hawaii""".split()
PEOPLE = """einstein newton shakespeare mozart beethoven napoleon caesar cleopatra darwin goethe picasso gandhi lincoln plato
aristotle galileo columbus kafka chopin bach leonardo elvis edison tesla marx freud homer dante copernicus socrates
madonna obama churchill messi""".split()
THINGS = """apple bread cake cheese chicken soup coffee tea rice potato tomato salad pizza egg milk honey chocolate banana
dog cat horse cow whale shark eagle spider ant bee snake elephant tiger lion wolf bear rabbit mouse fish frog dinosaur
sun moon star planet mars jupiter galaxy rocket comet gravity light atom electron energy magnet volcano earthquake ocean
river mountain desert forest tree flower rose grass rain snow wind cloud storm rainbow ice fire water air gold silver iron
copper salt sugar oil glass wood paper plastic stone diamond car train plane bicycle ship bridge tower castle house door
engine wheel clock camera phone radio television piano guitar violin drum song opera poem novel book movie theatre painting
statue museum church temple school university hospital doctor nurse lawyer judge king queen president war peace
revolution democracy law tax bank money market stock economy inflation religion god heart brain blood bone skin muscle
fever cough headache cancer virus vaccine vitamin diabetes allergy tooth eye ear football tennis chess basketball
marathon olympics swimming yoga fraction triangle circle equation derivative integral prime logarithm matrix probability
python javascript java html sql linux compiler algorithm browser blockchain bitcoin internet wifi router keyboard printer
battery solar nuclear oxygen carbon hydrogen acid evolution gene cell protein bacteria philosophy ethics logic psychology
grammar verb noun alphabet latin history archaeology pyramid pharaoh knight pirate viking samurai dragon unicorn vampire
wedding birthday christmas garden lawn tulip sofa kitchen oven knife shirt shoe hat watch ring train ticket hotel passport
visa holiday beach island map compass""".split()
VERBS = """bake cook fix repair build clean wash paint draw knit plant grow feed train teach learn buy sell rent ride drive
fly swim climb measure weigh boil fry freeze cut sew fold tune play win invest cure treat""".split()
LANGUAGES = "german french spanish italian latin greek russian chinese japanese arabic dutch polish".split()

KNOW = """who (wrote|painted|invented|discovered|built|composed|founded|designed) {the} {t}|who (was|is) {p}
what is the capital (city|) of {l}|what is the (population|currency|history|flag|climate|language) of {l}
how (tall|old|big|far|heavy|deep|fast|hot|expensive) is {a} {t}|when (was|did) {p} (born|die)|why is {the} {t} {adj}
how many (people live in {l}|{t}s are there|legs does a {t} have|days are in {month}|countries are in {l})
what is {a} {t}|what are {t}s|how does {a} {t} work|what do {t}s eat|why do {t}s (sleep|fly|exist|die|sing|shine)
how do i {v} a {t}|how can i {v} my {t}|what is the best {t} (in {l}|for {t}|)|which {t} is {adj}er
where is {l}|where (can|do) i (find|buy) a {t}|is {a} {t} (dangerous|healthy|alive|real|{adj}|expensive)
what (happened|was there) in {year}|when did {the} {t} (begin|end|happen|start)|how far is {l} from {l}
should i (buy|sell|eat|see|take|visit) {a} {t}|what is the difference between {a} {t} and {a} {t}|explain {the} {t} (to me|)
tell me (about|something about|more about) {t2}|what do you (know|think) about {t2}|who is the (president|king|queen|mayor) of {l}
what is {n} (times|plus|minus|divided by) {n}|{n} (+|-|*|x|/) {n}|what is the square root of {n}|how much is {n} (and|plus|times) {n}
what does the word {t} mean|how do you say {t} in {lang}|how do you spell {t}|what is the {lang} word for {t}
what is the meaning of life|is there a god|what is love|who will win {the} {t}|what is the news today
how long does it take to {v} a {t}|what should i (cook|eat|wear|read|watch|do) (today|tonight|tomorrow)
what (medicine|pill) helps against {t}|i have a {t}, what (should|can) i do|my {t} is broken|my {t} hurts
can you recommend a {t}|can {t}s (swim|fly|see|talk|think)|do {t}s have {t}s|did {p} (know|meet) {p}
how do {t}s {v}|what colour is {a} {t}|what causes {t}|what is inside {a} {t}|what is {l} famous for
{t}|{t} and {t}|{p}|{l}|define {t}|{t2}, what is that|facts about {t2}|why|{w} {w} {w}|what is {w}|who is {w}|tell me about {w}
where does {p} live|which (river|mountain|language|sea) is in {l}|what is the (longest|largest|smallest|highest) {t} (in {l}|)
i want to (learn|know|talk) about {t2}|let's talk about {t2}|do you know {p}|have you (heard of|read|seen) {t2}
what year did {p} (die|live|work|travel to {l})|is {l} (bigger|older|colder) than {l}|how many {t}s does {l} have"""
DO = """write (me|) a (poem|song|story|letter|speech|novel|report|joke|mail) about {t2}|write a (poem|story|letter|song|haiku)
translate {t} (into|to) {lang}|translate this (into|to) {lang}|write a (program|function|script) (in python|in java|that sorts {t}s|that counts {t}s)
draw (me|) a {t}|make a picture of a {t}|sing a song|play (chess|a game|music) with me|solve (this equation|x + {n} = {n})
plan a trip to {l}|make a (shopping list|plan|recipe) for {t}|give me a recipe (for|with) {t}|invent a {t}
search the (web|internet) for {t2}|book a (flight|hotel|table) (in|to) {l}|send an e-mail to {p}|call my (mother|doctor|boss)
write an essay (about|on) {t2}|debug this code|compute {n} * {n}|count to {n}|list ten {t}s|name three {t}s
set an alarm for {n}|order a {t}|remind me to {v} the {t}|pretend to be {p}|speak {lang} with me|help me with my homework"""
ADJECTIVES = "blue green hot cold big small old round heavy important strong sweet famous dark loud rare fast clear".split()
MONTHS = "january february march april may june july august".split()

# Held out: nouns and templates that training never sees.
TEST_THINGS = """volleyball lemon penguin saturn kangaroo submarine trumpet cathedral parliament pneumonia calculus saxophone
mushroom helicopter orchid glacier telescope accordion mosquito parachute""".split()
TEST_PLACES = "denmark belgium colombia morocco vietnam dublin seoul".split()
TEST_PEOPLE = "rembrandt vivaldi tolstoy kepler hannibal".split()
TEST_KNOW = """could you name the inventor of {a} {t}|in which year did people first see a {t}|what city is the capital of {l}
at what age did {p} die|what makes {a} {t} so {adj}|please add {n} and {n}|is it true that {t}s can {v}
give me some background on {t2}|which country has the most {t}s|what language do people speak in {l}
what would {p} say about {l}|how would a doctor treat {t}|i wonder how {t}s are made|what is heavier, a {t} or a {t}
how do people in {l} celebrate christmas|how come {t}s are {adj}|name the biggest {t} of {l}|which planet is the hottest"""
TEST_DO = """compose a few lines of verse about {a} {t}|put this sentence into {lang}|i need a python script about {t}s
make up a story with a {t} in it|show me how to {v} a {t}|work out {n} times {n} for me|give me a list of {t}s"""


def invented(rng: random.Random) -> str:
    """Return a word that does not exist."""
    parts = rng.choices("ba ko ri tan mel so ful dar ve lin gro pa zu chi mon ter qua is ned ol".split(), k=rng.randint(2, 3))
    return "".join(parts)


def _templates(text: str) -> list[str]:
    return [part for line in text.splitlines() for part in _split(line)]


def _split(line: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for i, c in enumerate(line):
        depth += (c == "(") - (c == ")")
        if c == "|" and depth == 0:
            parts.append(line[start:i])
            start = i + 1
    return [p for p in [*parts, line[start:]] if p]


_TABLES = {
    False: {"know": _templates(KNOW), "do": _templates(DO)},
    True: {"know": _templates(TEST_KNOW), "do": _templates(TEST_DO)},
}


def question(rng: random.Random, expand, *, is_test: bool = False) -> tuple[str, str]:
    """Return a question and the kind of its answer; `expand` picks among (a|b)."""
    kind = "do" if rng.random() < 0.25 else "know"
    things, places, people = (TEST_THINGS, TEST_PLACES, TEST_PEOPLE) if is_test else (THINGS, PLACES, PEOPLE)
    text = expand(rng.choice(_TABLES[is_test][kind]), rng)
    if not is_test and rng.random() < 0.15:
        things = [invented(rng)]
    fill = {
        "{t}": lambda: rng.choice(things),
        "{l}": lambda: rng.choice(places),
        "{p}": lambda: rng.choice(people),
        "{v}": lambda: rng.choice(VERBS),
        "{w}": lambda: rng.choice([invented(rng), rng.choice(things), rng.choice(ADJECTIVES)]),
        "{n}": lambda: str(rng.randint(2, rng.choice([9, 99, 999]))),
        "{a}": lambda: rng.choice(["a", "the"]),
        "{the}": lambda: rng.choice(["the", "the first"]),
        "{adj}": lambda: rng.choice(ADJECTIVES),
        "{month}": lambda: rng.choice(MONTHS),
        "{year}": lambda: str(rng.randint(1200, 2030)),
        "{lang}": lambda: rng.choice(LANGUAGES),
        "{t2}": lambda: rng.choice([rng.choice(things), rng.choice(people), rng.choice(places), f"the {rng.choice(things)}"]),
    }
    while "{" in text:
        start, end = text.index("{"), text.index("}") + 1
        text = text[:start] + fill[text[start:end]]() + text[end:]
    return text, kind
