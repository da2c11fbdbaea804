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
battery cup plate chair table bed lamp bag box coin pen pencil letter stamp farm field hill lake island valley cave sand mud dust
worm duck goose goat pig sheep donkey camel fox deer owl crow parrot turtle crab shrimp bean pea corn onion garlic pepper carrot plum pear
peach grape cherry nut butter cream sugar juice wine beer whisky vodka smoke coal gas oil steam metal steel tin lead zinc soap towel
mirror carpet curtain roof wall floor window ceiling stair lift truck bus tram taxi metro airport harbour sailor soldier farmer baker
butcher tailor priest monk actor singer dancer painter poet writer thief spy police prison court crime murder vote party election
sport race goal ball team trophy medal bicycle skate ski surf chess card dice puzzle toy doll robot laser radar sonar orbit satellite
solar nuclear oxygen carbon hydrogen acid evolution gene cell protein bacteria philosophy ethics logic psychology
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
KNOW += """
|which language is spoken in {l}|do people in {l} speak {lang}|is {lang} spoken in {l}|who speaks {lang}|what do people call a {t} in {l}
|do many people live in {l}|what do people do with a {t}|how did people live in {l}|are people in {l} {adj}|is it right that {l} is {adj}|is a {t} heavier than a {t}
|what is better, a {t} or a {t}|which is older, {l} or {l}|is a {t} {adj} or {adj}|what happened to {p}|background of {t2}|how do i get a {t}|how would {p} cook a {t}|which {t} is the {adj}est|which {t} lives in {l}|which {p2} comes from {l}|which people live in {l}|which food is eaten in {l}|which animal is {adj}
what kind of {t} is {adj}|what sort of {t} do i need|what do people in {l} eat|what do the people of {l} think about {t2}|what do i need for a {t}
what is the {adj}est {t}|what is the weight of a {t}|what is the price of a {t}|what is the age of {p}|what is the chemical formula of {t}
what is {n} percent of {n}|what comes after {n}|what is bigger, {n} or {n}|is {n} a prime number|is {n} (even|odd)|{n} divided by {n}|half of {n}
how (do|does|did) {p} (become|get|stay) {adj}|how did {p} die|how did the {t} come to {l}|how is {a} {t} (built|used|born|cut|measured|cooked)
how can a {t} be {adj}|how would you describe a {t}|how would {p} (solve|explain|paint|see) {t2}|how many {t}s are in {l}|how often does {a} {t} {v}
why do people (like|hate|love|fear|eat|need) {t}s|why did {p} (leave|visit|love|hate) {l}|why does {a} {t} (move|break|burn|smell|float)|why is {l} {adj}
where do {t}s (live|grow|come from|sleep)|where was {p} born|where does {t} come from|where was the first {t} (made|found|built)
when do {t}s (sleep|bloom|wake|fly)|when is the best time for {t2}|when was {l} (founded|destroyed|rich)|when will {the} {t} be {adj}
who is the best {t} (player|maker|in the world)|who (eats|needs|likes|owns|sells|fears) {t}s|who lives in {l}|who was the first {t}|who killed {p}
is {p} (dead|alive|famous|rich|a {t})|are {t}s (smart|{adj}|dangerous|food)|do {t}s (hurt|bite|sing|burn|break)|does {l} have a {t}|was {p} a {t}
can a {t} {v}|can people {v} {t}s|can i {v} a {t} in {l}|could a {t} win against a {t}|would you rather {v} a {t} or a {t}|will there be {t} in {l}
i think that {t}s are {adj}|my {t} is {adj}|my friend likes {t2}|my {p3} has a {t}|i live in {l}|i have been to {l}|i saw a {t} today|i am reading about {p}
i am looking for a {t}|i want to {v} a {t}|i dreamt of a {t}|i would love to see {l}|i am learning {lang}|i am afraid of {t}s|i lost my {t}
the {t} is {adj}|the {adj} {t} of {l}|{t}s and {t}s in {l}|{p} and {p}|{l} and {l}|the life of {p}|the history of {t2}|the science of {t}s
what would happen without {t}s|what if a {t} were {adj}|what does a {t} (look|feel|sound|taste|smell) like|what does {l} look like|what is a {t} made of
what is the name of the {t} in {l}|what are the {adj} {t}s|what are {adj} {t}s for|who invented it|when was that|was it {adj}|in what way is a {t} {adj}
is there (life|water|a {t}) on {t}|is it {adj} in {l}|is it (legal|healthy|safe) to {v} a {t}|does {t} cost money|did {p} like {t}s|had {p} a {t}
give me (information|news|details|facts|a fact) about {t2}|give me the (recipe|address|number) of a {t}|name the {adj} {t}s|name the {t}
tell me (a story|the truth|a secret|the news|the price|the height) (about|of) {t2}|tell me who {p} was|tell me where {l} is|tell me why {t}s {v}
explain (why|how) {t}s {v}|explain {t2} (to a child|in simple words|)|describe {t2}|describe {a} {adj} {t}|discuss {t2}|compare {t}s and {t}s
do you (like|know|see|want|hate) (a|the|my) {t}|have you ever seen a {t}|did you (eat|see|meet) {p}|are you from {l}|are you a {t}|can you see the {t}"""
DO += """
|generate a (picture|text|list|name) (of|about|with|for) {t2}|create a (poem|picture|list|plan|story|quiz) (about|of|for) {t2}|produce a text about {t2}
make a (rhyme|song|table|quiz|game|verse) about {t2}|make me a {t}|make a {t} for {p}|rhyme on {t}|find a rhyme for {t}|write (about|on) {t2}|write like {p}
convert {n} (miles|dollars|pounds|degrees) (to|into) (kilometres|euros|kilos)|turn this into {lang}|say this in {lang}|say {t} in {lang}|how would {p} say it
put the words in order|correct my {lang}|fix my (homework|code|{t})|check this (code|sentence|sum)|proofread my letter|shorten this story about {t2}
calculate {n} {op} {n}|add {n} to {n}|subtract {n} from {n}|multiply {n} by {n}|{n} {op} {n} {op} {n}|solve {n} {op} x|what do {n} and {n} make|sum {n} and {n}
think of a {t}|imagine a {adj} {t}|act like a {t}|be a {t}|play {p}|talk like {p}|start a {t}|open the {t}|close the {t}|bring me a {t}|buy me a {t}
find a (hotel|restaurant|doctor|{t}) in {l}|look up {t2}|google {t2}|read the news|play a {t}|turn on the {t}|switch off the {t}|take a picture of {t2}
give me (a|an) (idea|plan|poem|quote|title|name) for (a|my) {t}|give me {n} (ideas|names|words) for {t}s|give me {lang} words|teach me {lang}|teach me to {v}
name {n} {t}s|list the {t}s of {l}|list all {adj} {t}s|list some {p2}s|sort these {t}s|rank the {t}s|count the {t}s|guess my {t}|choose a {t} for me
help me (with|to {v}) (a|my|the) {t}|help me learn {lang}|help my {p3} with {t2}|show me (a picture of|the way to|how to find) {t2}|show {p} to me|predict the {t}"""
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
    if not is_test and rng.random() < 0.45:
        things = [invented(rng)]
    fill = {
        "{t}": lambda: rng.choice(things),
        "{l}": lambda: rng.choice(places),
        "{p}": lambda: rng.choice(people),
        "{v}": lambda: rng.choice(VERBS),
        "{w}": lambda: rng.choice([invented(rng), rng.choice(things), rng.choice(ADJECTIVES)]),
        "{p2}": lambda: rng.choice("painter writer singer river dish mountain king scientist player".split()),
        "{p3}": lambda: rng.choice("mother father sister brother son daughter boss teacher friend uncle aunt neighbour".split()),
        "{op}": lambda: rng.choice(["+", "-", "*", "/", "x", "plus", "times", "minus"]),
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
