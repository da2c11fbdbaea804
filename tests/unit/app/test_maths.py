import time

import pytest

from app.chat import maths
from app.chat.markdown import Paragraph, Style, parse


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (r"h(t) = h_0 + \frac{A}{2}\cos(\omega t + \varphi)", "h(t) = h₀ + A/2 cos(ωt + φ)"),
        (r"x^2 + y_i \le \sqrt{2\pi}", "x² + yᵢ ≤ √(2π)"),
        (r"\sum_{i=1}^{n} i = \frac{n(n+1)}{2}", "∑ᵢ₌₁ⁿ i = (n(n + 1))/2"),
        (r"\frac{1}{2}mv^2", "½mv²"),
        (r"\forall x \in \mathbb{R}", "∀x ∈ ℝ"),
        (r"\int_0^\infty e^{-x} dx", "∫₀^∞e⁻ˣ dx"),
        (r"a \rightarrow b \Rightarrow c", "a → b ⇒ c"),
        (r"\left( \frac{a+b}{c} \right)", "( (a + b)/c )"),
        (r"\begin{pmatrix} 1 & 0 \\ 0 & 1 \end{pmatrix}", "(1 0; 0 1)"),
        (r"\text{speed} = 3\,\mathrm{m/s}", "speed = 3 m/s"),
        (r"\hat{x}", "x\u0302"),
        (r"\sqrt[3]{8}", "³√8"),
        (r"20\%", "20%"),
        (r"E = mc^{2}", "E = mc²"),
    ],
)
def test_common_formulas_are_said_in_unicode(source: str, said: str) -> None:
    assert maths.as_unicode(source) == said


@pytest.mark.parametrize(
    "source", [r"\unknown{x}", "{", "}", r"\frac{a}", r"\begin{tikz}x\end{tikz}", "{" * 50, "^^x", "x" * 3_000]
)
def test_what_is_not_known_is_refused_as_a_whole(source: str) -> None:
    assert maths.as_unicode(source) is None


def spans(source: str) -> list[tuple[str, bool]]:
    blocks = [block for block in parse(source) if isinstance(block, Paragraph)]
    return [(span.text, Style.CODE in span.styles) for block in blocks for span in block.spans]


def test_formulas_are_found_between_dollars_and_brackets() -> None:
    assert spans(r"so $x^2$ and \(y_1\)") == [("so x² and y₁", False)]
    assert spans("$$\na = b\n$$") == [("a = b", False)]
    assert spans(r"\[ a \ne b \]") == [("a ≠ b", False)]


def test_an_unknown_formula_is_shown_as_its_source() -> None:
    assert spans(r"so $\weird{x}$ it is") == [("so ", False), (r"$\weird{x}$", True), (" it is", False)]


@pytest.mark.parametrize("text", ["It costs $5 and $10 today.", "From $5, to $6.", "a $ b $ c", "$", "$$", "US$"])
def test_prices_are_no_formulas(text: str) -> None:
    assert "".join(part for part, _ in spans(text)) == text


def test_emphasis_inside_a_formula_is_none() -> None:
    assert spans("$a_1 b_2 * c * d$") == [("a₁ b₂ * c * d", False)]


def test_hostile_formulas_take_no_time() -> None:
    started = time.process_time()
    for text in ("$" * 20_000, r"\(" * 10_000, "$x" * 10_000, r"\frac" * 400, "$" + "{" * 1_900 + "$", "^_" * 1_000):
        parse(text)
        maths.as_unicode(text)
    assert time.process_time() - started < 5
