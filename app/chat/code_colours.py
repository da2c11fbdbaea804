"""Which parts of a piece of code are words of its language, texts, numbers and comments.

Knows the surface of common languages; must not know widgets. One regular expression a family, each of whose parts
takes time in proportion to what it matches, so that no text of a model can hold up the window.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from typing import Final

MAX_CHARS: Final = 20_000  # longer code is shown in one colour


class Kind(Enum):
    """What a stretch of code is."""

    KEYWORD = auto()
    TEXT = auto()
    NUMBER = auto()
    COMMENT = auto()
    ADDED = auto()
    REMOVED = auto()


@dataclass(frozen=True, slots=True)
class _Language:
    words: frozenset[str] = frozenset()
    line: tuple[str, ...] = ("//",)
    block: tuple[tuple[str, str], ...] = (("/*", "*/"),)
    quotes: str = "\"'"
    long_quotes: tuple[str, ...] = ()
    ignores_case: bool = False


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_C_LIKE: Final = (
    "if else for while do switch case default break continue return struct enum class public private protected static "
    "const void new this null true false try catch finally throw import "
)
_PYTHON: Final = _Language(
    _words(
        "False None True and as assert async await break class continue def del elif else except finally for from "
        "global if import in is lambda match case nonlocal not or pass raise return try while with yield self"
    ),
    line=("#",),
    block=(),
    long_quotes=('"""', "'''"),
)
_JAVASCRIPT: Final = _Language(
    _words(
        _C_LIKE + "async await const delete export extends from function get in instanceof let of set super typeof "
        "undefined var yield interface type implements readonly abstract as declare namespace number string boolean any"
    ),
    quotes="\"'`",
)
_C: Final = _Language(
    _words(
        _C_LIKE + "auto bool char double extern float int long short signed sizeof typedef union unsigned volatile "
        "inline restrict namespace template typename using virtual override constexpr nullptr delete operator friend "
        "include define ifdef ifndef endif size_t int8_t int32_t int64_t uint8_t uint32_t uint64_t string var async "
        "await in out ref foreach using interface internal sealed abstract extends implements package final"
    )
)
_GO_RUST: Final = _Language(
    _words(
        _C_LIKE + "func package go defer chan map range select type interface var nil fallthrough fn let mut pub use "
        "mod impl trait match loop where move ref self Self crate super dyn unsafe async await as in i32 i64 u8 u32 "
        "usize f32 f64 u64 str String Option Some None Ok Err Vec val fun object when companion data sealed guard "
        "extension protocol init deinit inout lazy weak override open nil Int string int bool error byte rune"
    ),
    quotes='"`',
)
_SHELL: Final = _Language(
    _words(
        "if then else elif fi for while do done case esac in function return local export echo cd exit set source "
        "sudo read shift test true false trap unset alias"
    ),
    line=("#",),
    block=(),
)
_SQL: Final = _Language(
    _words(
        "select from where and or not in is null as join left right inner outer full on group by order having limit "
        "offset insert into values update set delete create table index view drop alter add primary key foreign "
        "references unique default check union all distinct case when then else end exists between like with begin "
        "commit rollback integer text real blob varchar int count sum avg min max desc asc"
    ),
    line=("--",),
    ignores_case=True,
)
_HASHED: Final = _Language(
    _words("true false null yes no on off none end def do if elsif else unless while module class require nil self"),
    line=("#",),
    block=(),
)
_LUA: Final = _Language(
    _words("and break do else elseif end false for function goto if in local nil not or repeat return then true until"),
    line=("--",),
    block=(("--[[", "]]"),),
)
_R: Final = _Language(
    _words("function if else for while repeat in next break return TRUE FALSE NULL NA Inf NaN library"),
    line=("#",),
    block=(),
)
_PHP: Final = _Language(
    _words(_C_LIKE + "echo function namespace use extends implements interface abstract foreach as array fn match"),
    line=("//", "#"),
)
_CSS: Final = _Language(_words("important media import supports keyframes inherit initial none auto"), line=())
_JSON: Final = _Language(_words("true false null"), line=(), block=(), quotes='"')
_MARKUP: Final = _Language(line=(), block=(("<!--", "-->"),))

_LANGUAGES: Final[dict[str, _Language]] = {
    name: language
    for names, language in (
        ("python py python3 pycon cython pyx", _PYTHON),
        ("javascript js jsx typescript ts tsx mjs node", _JAVASCRIPT),
        ("c h cpp c++ cc hpp cxx java csharp c# cs objc scala dart", _C),
        ("go golang rust rs swift kotlin kt", _GO_RUST),
        ("bash sh shell zsh console fish powershell ps1 dockerfile makefile make", _SHELL),
        ("sql sqlite postgresql mysql", _SQL),
        ("yaml yml toml ini cfg conf ruby rb perl", _HASHED),
        ("lua haskell hs", _LUA),
        ("r", _R),
        ("php", _PHP),
        ("css scss less", _CSS),
        ("json jsonc json5", _JSON),
        ("html xml svg xhtml vue", _MARKUP),
    )
    for name in names.split()
}
_NUMBER: Final = r"(?<!\w)(?:0[xXbBoO][0-9a-fA-F_]+|\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?)"
_TAG: Final = re.compile(
    r"(?P<comment><!--[\s\S]*?(?:-->|\Z))|(?P<word></?[A-Za-z][\w:-]*|/?>)|(?P<text>\"[^\"\n]*\"?|(?<==)'[^'\n]*'?)"
)


def stretches(text: str, language: str) -> Iterator[tuple[int, int, Kind]]:
    """Yield (start, end, kind) of what has a colour of its own, in order; nothing for a language that is not known."""
    name = language.lower()
    if len(text) > MAX_CHARS:
        return
    if name in ("diff", "patch"):
        yield from _of_diff(text)
        return
    found = _LANGUAGES.get(name)
    if found is None:
        return
    pattern = _TAG if found is _MARKUP else _pattern(found)
    for match in pattern.finditer(text):
        kind = _kind_of(match, found)
        if kind is not None:
            yield match.start(), match.end(), kind


def _kind_of(match: re.Match[str], language: _Language) -> Kind | None:
    match match.lastgroup:
        case "comment":
            return Kind.COMMENT
        case "text":
            return Kind.TEXT
        case "number":
            return Kind.NUMBER
        case _ if language is _MARKUP:
            return Kind.KEYWORD
        case _:
            word = match.group().lower() if language.ignores_case else match.group()
            return Kind.KEYWORD if word in language.words else None


@cache
def _pattern(language: _Language) -> re.Pattern[str]:
    comments = [rf"{re.escape(start)}[\s\S]*?(?:{re.escape(end)}|\Z)" for start, end in language.block]
    comments += [rf"{re.escape(start)}[^\n]*" for start in language.line]
    texts = [rf"{mark}[\s\S]*?(?:{mark}|\Z)" for mark in language.long_quotes]
    texts += [rf"{mark}(?:\\.|[^{mark}\\\n])*{mark}?" for mark in language.quotes]
    parts = [f"(?P<comment>{'|'.join(comments)})"] if comments else []
    parts += [f"(?P<text>{'|'.join(texts)})", f"(?P<number>{_NUMBER})", r"(?P<word>[^\W\d]\w*)"]
    return re.compile("|".join(parts))


def _of_diff(text: str) -> Iterator[tuple[int, int, Kind]]:
    start = 0
    for line in text.split("\n"):
        kind = {"+": Kind.ADDED, "-": Kind.REMOVED, "@": Kind.KEYWORD}.get(line[:1])
        if kind is not None:
            yield start, start + len(line), kind
        start += len(line) + 1
