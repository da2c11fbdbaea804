# ruff: noqa: E501, SIM905
"""Sets of queries with what is relevant to them, made by script from text that lies on this computer.

Knows how the sets are made; must not know the search. The manual pages of a Debian system are text under free licences
(the package's own, mostly GPL and BSD) in many languages: nothing of it is copied into the repository. The line after
NAME says in a few words what a program does; the rest of the page is the document, and that line is the query. So the
query is by the page's own author, and the words of it that are only in that line make it hard.

The made-up set is written here: short documents of an office with facts in them, in four languages.
"""

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

MAN = Path("/usr/share/man")
LANGUAGES = {"en": "", "de": "de", "fr": "fr", "es": "es", "ru": "ru", "ja": "ja", "pl": "pl", "it": "it"}
MAX_PAGES = 600
_REQUEST = re.compile(r"^[.'].*$", re.MULTILINE)
_ESCAPE = re.compile(r"\\f(?:\[[^]]*\]|\(..|.)|\\[&|^%/,:]|\\s[-+]?\d")
_MACRO = re.compile(r"^\.(?:B|I|BR|IR|RB|RI|BI|IB|SM|TP|IP|PP|Nm|Fl|Ar|Pa|Xr|Dv|Em|Sy|Op)\b ?", re.MULTILINE)
_NAME = re.compile(r'^\.S[Hh] "?[^\n]*\n(.*?)(?=^\.S[Hh])', re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r'^\.S[Hh] "?([^"\n]+)"?$', re.MULTILINE)
_DASH = re.compile(r"\s+(?:\\-|-|–|—|--)\s+")


@dataclass
class RetrievalSet:
    """Documents by their names, and queries with the names of what is relevant."""

    name: str
    documents: dict[str, str] = field(default_factory=dict)
    queries: list[tuple[str, list[str]]] = field(default_factory=list)


def manual_pages(language: str) -> RetrievalSet:
    """Return the set of the manual pages in one language; an empty one where none are installed."""
    found = RetrievalSet(f"man-{language}")
    folder = MAN / LANGUAGES[language]
    seen: set[str] = set()
    for path in sorted(folder.glob("man[1-8]/*.gz")):
        if len(found.documents) >= MAX_PAGES:
            break
        page = _page(path)
        if page is None or page[0] in seen:
            continue
        seen.add(page[0])
        found.documents[f"{path.name.removesuffix('.gz')}.md"] = page[1]
        found.queries.append((page[0], [f"{path.name.removesuffix('.gz')}.md"]))
    return found


def _page(path: Path) -> tuple[str, str] | None:
    """Return what a page is for, and its text without that line; None for one that only points to another."""
    try:
        with gzip.open(path, "rb") as file:
            source = file.read(400_000).decode("utf-8", "replace")
    except OSError:
        return None
    if "\n.SH" not in source and "\n.Sh" not in source:
        return None
    name = _NAME.search(source)
    if name is None:
        return None
    purpose = _DASH.split(_plain(name[1]).replace("\n", " "), maxsplit=1)
    text = _plain(source[name.end() :]).strip()
    if len(purpose) != 2 or not 12 <= len(purpose[1]) <= 160 or len(text) < 400:
        return None
    return " ".join(purpose[1].split()), text


def _plain(source: str) -> str:
    """Return the text of a page without its commands, headings as Markdown."""
    source = _HEADING.sub(lambda match: f"\n# {match[1].strip()}\n", source)
    source = _MACRO.sub("", re.sub(r"^\.(?:PP|P|LP|TP|IP|sp|br|Pp)\b.*$", "", source, flags=re.MULTILINE))
    source = _ESCAPE.sub("", _REQUEST.sub("", source))
    for escape, char in (("\\-", "-"), ("\\(em", "—"), ("\\(aq", "'"), ("\\(cq", "'"), ("\\e", "\\"), ("\\ ", " ")):
        source = source.replace(escape, char)
    return re.sub(r"\n{3,}", "\n\n", source)


def manuals_in_sections() -> RetrievalSet:
    """Return sections of Vim's manual (Vim licence): the heading is the query, the section without it the document."""
    found = RetrievalSet("vim-sections")
    for path in sorted(Path("/usr/share/vim").glob("vim*/doc/usr_*.txt")):
        parts = re.split(r"^={20,}\n\*\d+\.\d+\*\s+(.+)$", path.read_text("utf-8", "replace"), flags=re.MULTILINE)
        for number, (title, text) in enumerate(_pairs(parts[1:])):
            if len(text) > 300 and len(title.split()) >= 2:
                name = f"{path.stem}-{number}.txt"
                found.documents[name] = text.strip()
                found.queries.append((title.strip(), [name]))
    return found


def _pairs(parts: list[str]) -> Iterator[tuple[str, str]]:
    return zip(parts[::2], parts[1::2], strict=False)


_FACTS = {
    "en": (
        "{person} keeps the key of room {room}. Whoever needs it signs the list at the door before {hour} o'clock.",
        "The {thing} on floor {floor} is serviced by {firm} every {n} months; the last repair cost {price} euros.",
        "Orders for {thing}s over {price} euros must be approved by {person}.",
        "{firm} delivers on {day}s. Complaints are taken within {n} days at the desk in room {room}.",
        ("Who has the key to room {room}?", "Which company services the {thing} on floor {floor}?",
         "Who approves orders of {thing}s?", "On which day does {firm} deliver?"),
        ("printer", "lift", "boiler", "projector", "scanner", "fridge"),
        ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday"),
    ),
    "de": (
        "{person} verwahrt den Schlüssel von Raum {room}. Wer ihn braucht, trägt sich vor {hour} Uhr in die Liste ein.",
        "Die Wartung der Geräte vom Typ {thing} im Stockwerk {floor} übernimmt {firm} alle {n} Monate für {price} Euro.",
        "Bestellungen für {thing} über {price} Euro genehmigt {person}.",
        "{firm} liefert immer am {day}. Beschwerden nimmt Raum {room} innerhalb von {n} Tagen entgegen.",
        ("Bei wem liegen die Schlüssel für Raum {room}?", "Welche Firma wartet {thing} im Stockwerk {floor}?",
         "Wer muss die Bestellung von {thing} genehmigen?", "Wann kommt die Lieferung von {firm}?"),
        ("Drucker", "Aufzug", "Heizkessel", "Beamer", "Scanner", "Kühlschrank"),
        ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag"),
    ),
    "fr": (
        "{person} garde la clé de la salle {room}. Il faut signer la liste avant {hour} heures pour l'emprunter.",
        "L'entretien des appareils ({thing}) de l'étage {floor} est assuré par {firm} tous les {n} mois, à {price} euros.",
        "Les commandes de {thing}s de plus de {price} euros sont approuvées par {person}.",
        "{firm} livre le {day}. Les réclamations sont reçues en salle {room} dans un délai de {n} jours.",
        ("Qui garde les clés de la salle {room} ?", "Quelle société entretient les {thing}s à l'étage {floor} ?",
         "Qui approuve la commande d'un {thing} ?", "Quel jour {firm} fait-elle ses livraisons ?"),
        ("imprimante", "ascenseur", "chaudière", "projecteur", "scanner", "frigo"),
        ("lundi", "mardi", "mercredi", "jeudi", "vendredi"),
    ),
    "es": (
        "{person} guarda la llave de la sala {room}. Quien la necesite firma la lista antes de las {hour}.",
        "El mantenimiento de los equipos ({thing}) de la planta {floor} lo hace {firm} cada {n} meses por {price} euros.",
        "Los pedidos de {thing} de más de {price} euros los aprueba {person}.",
        "{firm} reparte los {day}. Las reclamaciones se atienden en la sala {room} durante {n} días.",
        ("¿Quién guarda las llaves de la sala {room}?", "¿Qué empresa mantiene la {thing} de la planta {floor}?",
         "¿Quién aprueba un pedido de {thing}?", "¿Qué día reparte {firm}?"),
        ("impresora", "ascensor", "caldera", "proyector", "escáner", "nevera"),
        ("lunes", "martes", "miércoles", "jueves", "viernes"),
    ),
}  # fmt: skip
_FIRST = "Anna Boris Carla David Elena Farid Greta Hugo Irene Jonas Karin Luis Marta Nils Olga Pavel".split()
_LAST = "Abel Brandt Costa Dietz Egger Ferrer Gruber Holm Ivers Jansen Kern Lopes Maurer Novak Ortiz Petit".split()
_FIRMS = "Altrona Belvex Corvida Delmar Estrane Fulgor Grimsel Halvan Ilmeto Jorvik Kestrel Lumina".split()


def made_up(language: str, n_notes: int = 120) -> RetrievalSet:
    """Return notes of an office, each with one fact, and a question about it in other words."""
    import random

    rng = random.Random(f"notes in {language}")
    *templates, questions, things, days = _FACTS[language]
    found = RetrievalSet(f"notes-{language}")
    asked: dict[str, str] = {}
    for number in range(n_notes):
        kind = number % len(templates)
        values = {
            "person": f"{rng.choice(_FIRST)} {rng.choice(_LAST)}", "room": rng.randrange(100, 500),
            "hour": rng.randrange(8, 18), "thing": rng.choice(things), "floor": rng.randrange(1, 30),
            "firm": f"{rng.choice(_FIRMS)} {rng.choice(_LAST)}", "n": rng.randrange(2, 30),
            "price": rng.randrange(100, 9000), "day": rng.choice(days),
        }  # fmt: skip
        name = f"note-{number:03}.txt"
        found.documents[name] = templates[kind].format(**values) + "\n"
        question = questions[kind].format(**values)
        if question in asked:  # two notes that answer it
            found.queries[[query for query, _ in found.queries].index(question)][1].append(name)
        else:
            asked[question] = name
            found.queries.append((question, [name]))
    return found


def all_sets() -> Iterator[RetrievalSet]:
    """Yield every set that can be made here."""
    for language in _FACTS:
        yield made_up(language)
    yield manuals_in_sections()
    for language in LANGUAGES:
        pages = manual_pages(language)
        if len(pages.queries) >= 30:
            yield pages


_FAR = {
    "en": (
        "Who discovered penicillin?", "How tall is the highest mountain of Africa?", "What is the capital of Mongolia?",
        "How do I bake sourdough bread?", "When did the last emperor of Brazil reign?", "Which planet has the most moons?",
        "How is a guitar tuned?",
    ),
    "de": (
        "Wer hat das Penicillin entdeckt?", "Wie hoch ist der höchste Berg Afrikas?", "Wie backe ich Sauerteigbrot?",
        "Welcher Planet hat die meisten Monde?", "Wann regierte der letzte Kaiser von Brasilien?",
        "Wie stimmt man eine Gitarre?",
    ),
    "fr": (
        "Qui a découvert la pénicilline ?", "Quelle est la plus haute montagne d'Afrique ?",
        "Comment faire du pain au levain ?", "Quelle planète a le plus de lunes ?", "Comment accorder une guitare ?",
        "Quand a régné le dernier empereur du Brésil ?",
    ),
    "es": (
        "¿Quién descubrió la penicilina?", "¿Cuál es la montaña más alta de África?", "¿Cómo se hace pan de masa madre?",
        "¿Qué planeta tiene más lunas?", "¿Cómo se afina una guitarra?", "¿Cuándo reinó el último emperador de Brasil?",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class LabelledQuestion:
    """A question about the notes in one language, and whether they answer it."""

    language: str
    text: str
    is_answerable: bool


def labelled_questions() -> list[LabelledQuestion]:
    """Return 100 questions, 50 of which no note answers: 25 about other things, 25 that only name what is not there."""
    import random

    rng = random.Random(5)
    found = []
    for language in _FACTS:
        notes = made_up(language)
        all_text = " ".join(notes.documents.values())
        queries = [query for query, _ in notes.queries]
        found += [LabelledQuestion(language, query, True) for query in rng.sample(queries, 13)]
        found += [LabelledQuestion(language, query, False) for query in _FAR[language]]
        templates = _FACTS[language][4]
        near = 0
        while near < 7:
            room, firm = rng.randrange(500, 900), f"{rng.choice(['Ostrava', 'Quillan', 'Tarvis'])} {rng.choice(_LAST)}"
            template = templates[near % 2 * 3]  # about a room, about a firm: what they name decides
            query = template.format(room=room, firm=firm, thing="", floor=0)
            if str(room) not in all_text and firm not in all_text:
                found.append(LabelledQuestion(language, query, False))
                near += 1
    answerable = [each for each in found if each.is_answerable][:50]
    return answerable + [each for each in found if not each.is_answerable][:50]
