"""How well a few typed letters fit a text: they must stand in it in their order, best at the beginnings of words.

Pure functions; knows nothing of commands.
"""

import unicodedata

_AT_WORD = 8
_NEXT_TO = 5
_ANYWHERE = 1
_MAX_QUERY_CHARS = 40
_MAX_TEXT_CHARS = 120


def score(query: str, text: str) -> int | None:
    """Return how well `query` fits `text`, more is better; None where its letters are not all there in their order."""
    wanted = _folded(query).replace(" ", "")[:_MAX_QUERY_CHARS]
    found = _folded(text)[:_MAX_TEXT_CHARS]
    if not wanted:
        return 0
    # best[i]: the best score of the letters so far with the last of them at found[i]; None where that cannot be.
    best = [_value(found, i) if char == wanted[0] else None for i, char in enumerate(found)]
    for letter in wanted[1:]:
        before: int | None = None  # the best of all places to the left of the neighbour
        following: list[int | None] = []
        for i, char in enumerate(found):
            here: int | None = None
            if char == letter and i:
                ways = [each + _value(found, i) for each in (before,) if each is not None]
                neighbour = best[i - 1]
                if neighbour is not None:
                    ways.append(neighbour + _NEXT_TO + _value(found, i))
                here = max(ways, default=None)
            following.append(here)
            if i and best[i - 1] is not None:
                before = max(before or 0, best[i - 1] or 0)
        best = following
    ends = [each for each in best if each is not None]
    return max(ends) * 100 - len(found) if ends else None


def _value(text: str, index: int) -> int:
    is_start = index == 0 or not text[index - 1].isalnum()
    return _AT_WORD if is_start and text[index].isalnum() else _ANYWHERE


def _folded(text: str) -> str:
    """Return `text` without case and accents."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in apart if not unicodedata.combining(char))
