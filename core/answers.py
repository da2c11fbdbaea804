"""How a model is asked, by what it can do: small ones leave little to chance and speak about documents in quotes alone.

Used by conversations and by `tern ask`; must not know where questions or passages are kept.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from core.events import Passage
from core.inference.choices import Choice
from core.library.quoting import quotes_for
from core.specs import SPECS

if TYPE_CHECKING:
    from core.inference.engine import Engine
    from core.inference.sampling import SamplingParams

# How much the search has to say in which sentence is quoted, as log-probability for a point of its score. A small
# model finds the right sentence less often than the search does (evaluate.py of the starter), a large one more often.
TRUST_SMALL: Final = 16.0
TRUST: Final = 1.0
# What a small model knows it knows by heart: chance only makes it say something else that it knows.
SMALL_TEMPERATURE: Final = 0.2
_DEFAULT_TEMPERATURE: Final = next(spec.default for spec in SPECS if spec.key == "temperature")


def suited(params: "SamplingParams", engine: "Engine") -> "SamplingParams":
    """Return what `engine` samples with: where nobody has chosen a temperature, a small model has its own."""
    if not engine.is_small or params.temperature != _DEFAULT_TEMPERATURE:
        return params
    return replace(params, temperature=SMALL_TEMPERATURE)


def asks_for_quotes(answers: str, engine: "Engine") -> bool:
    """Whether answers about passages are to be quotes of them; `answers` is the setting document_answers."""
    return answers == "quotes" or (answers == "automatic" and engine.is_small)


def choices_about(passages: Sequence[Passage], question: str, engine: "Engine") -> list[Choice]:
    """Return the quotes of `passages` that may be given as the answer to `question`."""
    trust = TRUST_SMALL if engine.is_small else TRUST
    return [Choice(quote.text, trust * quote.score) for quote in quotes_for(passages, question)]
