"""Common LaTeX as Unicode, so that formulas of a model can be read without a typesetter.

Knows commands and characters; must not know Markdown or Qt. What it does not know it refuses as a whole, and the
caller shows the source: half a formula would be a wrong one.
"""

import re
from typing import Final

MAX_CHARS: Final = 2_000
_MAX_DEPTH: Final = 12


def _pairs(text: str) -> dict[str, str]:
    return {name: char for name, _, char in (pair.partition(":") for pair in text.split())}


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SYMBOLS: Final = _pairs(
    "alpha:α beta:β gamma:γ delta:δ epsilon:ϵ varepsilon:ε zeta:ζ eta:η theta:θ vartheta:ϑ iota:ι kappa:κ lambda:λ "
    "mu:μ nu:ν xi:ξ omicron:ο pi:π varpi:ϖ rho:ρ varrho:ϱ sigma:σ varsigma:ς tau:τ upsilon:υ phi:ϕ varphi:φ chi:χ "
    "psi:ψ omega:ω Gamma:Γ Delta:Δ Theta:Θ Lambda:Λ Xi:Ξ Pi:Π Sigma:Σ Upsilon:Υ Phi:Φ Psi:Ψ Omega:Ω "
    "infty:∞ partial:∂ nabla:∇ hbar:ℏ ell:ℓ Re:ℜ Im:ℑ aleph:ℵ emptyset:∅ varnothing:∅ angle:∠ triangle:△ degree:° "
    "prime:′ forall:∀ exists:∃ nexists:∄ neg:¬ lnot:¬ top:⊤ bot:⊥ dots:… ldots:… cdots:⋯ vdots:⋮ ddots:⋱ "
    "sum:∑ prod:∏ coprod:∐ int:∫ iint:∬ iiint:∭ oint:∮ bigcup:⋃ bigcap:⋂ bigoplus:⨁ bigotimes:⨂ "
    "lfloor:⌊ rfloor:⌋ lceil:⌈ rceil:⌉ langle:⟨ rangle:⟩ lbrace:{ rbrace:} vert:| Vert:‖ mid:| star:⋆ bullet:• "
    "circ:∘ dagger:† checkmark:✓ square:□ blacksquare:■ cdot:·"
)
_OPERATORS: Final = _pairs(  # with room at both sides
    "times:× div:÷ pm:± mp:∓ ast:∗ oplus:⊕ ominus:⊖ otimes:⊗ odot:⊙ cup:∪ cap:∩ setminus:∖ wedge:∧ land:∧ vee:∨ "
    "lor:∨ le:≤ leq:≤ leqslant:≤ ge:≥ geq:≥ geqslant:≥ ne:≠ neq:≠ ll:≪ gg:≫ approx:≈ sim:∼ simeq:≃ cong:≅ equiv:≡ "
    "propto:∝ in:∈ notin:∉ ni:∋ subset:⊂ subseteq:⊆ supset:⊃ supseteq:⊇ perp:⊥ parallel:∥ to:→ rightarrow:→ "
    "longrightarrow:→ leftarrow:← gets:← leftrightarrow:↔ Rightarrow:⇒ Longrightarrow:⇒ implies:⇒ Leftarrow:⇐ "
    "Leftrightarrow:⇔ iff:⇔ mapsto:↦ uparrow:↑ downarrow:↓ models:⊨ vdash:⊢ prec:≺ succ:≻ therefore:∴ because:∵"
)
_FUNCTIONS: Final = _names(
    "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln lg exp lim max min sup inf det dim ker deg gcd "
    "arg Pr mod bmod"
)
_SPACES: Final = {",": " ", ";": " ", ":": " ", "!": "", " ": " ", "quad": "  ", "qquad": "    "}
_DROPPED: Final = _names("left right big Big bigg Bigg bigl bigr Bigl Bigr displaystyle textstyle limits nolimits")
_PLAIN: Final = _names("text mathrm mathbf mathit mathsf operatorname textbf textit textrm mathcal boldsymbol")
_ACCENTS: Final = {
    "hat": "\u0302", "widehat": "\u0302", "bar": "\u0304", "overline": "\u0305", "vec": "\u20d7", "dot": "\u0307",
    "ddot": "\u0308", "tilde": "\u0303", "widetilde": "\u0303",
}  # fmt: skip
_DOUBLE: Final = dict(zip("CHNPQRZ1", "ℂℍℕℙℚℝℤ𝟙", strict=True))
_ABOVE: Final = dict(
    zip("0123456789+-=()niabcdefghjklmoprstuvwxyz", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱᵃᵇᶜᵈᵉᶠᵍʰʲᵏˡᵐᵒᵖʳˢᵗᵘᵛʷˣʸᶻ", strict=True)
) | {"T": "ᵀ", "′": "′", "∘": "°", "*": "*"}
_BELOW: Final = dict(zip("0123456789+-=()aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", strict=True))
_PARTS: Final = {"1/2": "½", "1/3": "⅓", "2/3": "⅔", "1/4": "¼", "3/4": "¾"}
_ROWS: Final = _names("aligned align align* gather gather* equation equation* split")
_MATRICES: Final = {"matrix": "", "pmatrix": "()", "bmatrix": "[]", "vmatrix": "||", "smallmatrix": ""}
_TOKEN: Final = re.compile(r"\\[A-Za-z]+\*?|\\.|[{}^_&~]|\s+|[^\\{}^_&~\s]", re.DOTALL)


class _Unknown(Exception):  # noqa: N818 - not an error: the source is shown
    """The formula has something that is not known here."""


def as_unicode(source: str) -> str | None:
    """Return a formula (without its dollars) in Unicode; None for one that cannot be said so."""
    if len(source) > MAX_CHARS:
        return None
    reader = _Reader(_TOKEN.findall(source))
    try:
        said = reader.until(None, 0)
    except (_Unknown, IndexError):
        return None
    lines = (re.sub(r" {2,}", " ", line).strip() for line in said.split("\u2028"))
    return "\u2028".join(line for line in lines if line)


class _Reader:
    """Reads tokens once, from left to right."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0

    def until(self, end: str | None, depth: int) -> str:
        """Read up to the token `end`, which is taken as well; None: to the end of all."""
        if depth > _MAX_DEPTH:
            raise _Unknown
        parts: list[str] = []
        while self._at < len(self._tokens):
            token = self._next()
            if token == end:
                return "".join(parts)
            if token in "^_":
                parts.append(_raised(self._group(depth), is_above=token == "^"))
            else:
                parts.append(self._one(token, depth))
        if end is not None:
            raise _Unknown
        return "".join(parts)

    def _next(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1]

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _skip_space(self) -> None:
        while self._peek().isspace():
            self._at += 1

    def _group(self, depth: int) -> str:
        """Read what a command is applied to: a group or one token."""
        self._skip_space()
        token = self._next()
        return self.until("}", depth + 1) if token == "{" else self._one(token, depth + 1)

    def _one(self, token: str, depth: int) -> str:
        if depth > _MAX_DEPTH:
            raise _Unknown
        if token == "{":
            return self.until("}", depth + 1)
        if token in "}^_":
            raise _Unknown
        if token in ("&", "~") or token.isspace():
            return " "
        if token in "=<>+":
            return f" {token} "
        if token == "'":
            return "′"
        return self._command(token[1:], depth) if token.startswith("\\") else token

    def _command(self, name: str, depth: int) -> str:
        if name in _OPERATORS:
            return f" {_OPERATORS[name]} "
        if name in _SYMBOLS:
            self._skip_space()
            return _SYMBOLS[name]
        if name in _FUNCTIONS:
            self._skip_space()
            return f" {name}" + ("" if self._peek() in ("(", "^", "_", "") else " ")
        if name in _SPACES or name in _DROPPED:
            return _SPACES.get(name, "") if name in _SPACES else self._dropped()
        if name == "\\":
            return "\u2028"
        if name in "{}$%&#_|":
            return "‖" if name == "|" else name
        return self._applied(name, depth)

    def _dropped(self) -> str:
        if self._peek() == ".":
            self._at += 1
        return ""

    def _applied(self, name: str, depth: int) -> str:
        if name in ("frac", "dfrac", "tfrac"):
            return _fraction(self._group(depth), self._group(depth))
        if name == "sqrt":
            return self._root(depth)
        if name in _PLAIN:
            return self._group(depth)
        if name in _ACCENTS:
            what = self._group(depth)
            return "".join(char + _ACCENTS[name] for char in what) if len(what) <= 3 else _bracketed(what)
        if name == "mathbb":
            return "".join(_DOUBLE.get(char, char) for char in self._group(depth))
        if name == "binom":
            return f"C({self._group(depth)}, {self._group(depth)})"
        if name == "begin":
            return self._environment(depth)
        raise _Unknown

    def _root(self, depth: int) -> str:
        degree = ""
        if self._peek() == "[":
            self._at += 1
            degree = _raised(self.until("]", depth + 1), is_above=True)
        inside = self._group(depth).strip()
        is_one = len(inside) == 1 or inside.isdigit()
        return f"{degree}√{inside if is_one else f'({inside})'}"

    def _environment(self, depth: int) -> str:
        name = self._name()
        if name not in _ROWS and name not in _MATRICES:
            raise _Unknown
        inside = self.until("\\end", depth + 1)
        if self._name() != name:
            raise _Unknown
        if name in _ROWS:
            return inside
        rows = (" ".join(row.split()) for row in inside.split("\u2028"))
        marks = _MATRICES[name]
        return f"{marks[:1]}{'; '.join(row for row in rows if row)}{marks[1:]}"

    def _name(self) -> str:
        if self._next() != "{":
            raise _Unknown
        name = ""
        while (token := self._next()) != "}":
            name += token
        return name


def _raised(text: str, *, is_above: bool) -> str:
    text = text.strip()
    table = _ABOVE if is_above else _BELOW
    bare = text.replace(" ", "")
    if bare and all(char in table for char in bare):
        return "".join(table[char] for char in bare)
    return ("^" if is_above else "_") + (_bracketed(text) if len(text) > 1 else text)


def _fraction(above: str, below: str) -> str:
    made = f"{_bracketed(above.strip())}/{_bracketed(below.strip())}"
    return _PARTS.get(made, made)


def _bracketed(text: str) -> str:
    """Return `text` in brackets unless it is one word or has them already."""
    text = text.strip()
    is_word = bool(re.fullmatch(r"[\w.′⁰-₟°²³¹ⁿⁱ]*", text))
    is_closed = text.startswith("(") and text.endswith(")") and "(" not in text[1:] and ")" not in text[:-1]
    return text if is_word or is_closed else f"({text})"
