from core.library.ranking import Index, rank, words_of

TEXTS = [
    "The museum opens at nine.",
    "Contracts end on Monday. The notice period is three months.",
    "The library has many rooms and a garden.",
    "The museum has a garden.",
]


def order(question: str, texts: list[str] = TEXTS) -> list[int]:
    return [passage for _, passage in rank([Index(texts)], question)]


def test_words_are_compared_in_small_letters_and_without_plural_s() -> None:
    assert words_of("Contracts, RENTS; glass is a bus! ﬁnes") == ["contract", "rent", "glass", "is", "a", "bus", "fine"]
    assert words_of("世界 12,5") == ["世", "界", "12", "5"]


def test_the_passage_with_the_rarest_words_comes_first() -> None:
    assert order("How long is the notice period of a contract?") == [1]
    assert order("When does the museum open?")[0] in (0, 3)
    assert order("museum garden") == [3, 0, 2]


def test_a_question_of_common_words_alone_is_still_searched() -> None:
    assert order("what is the") != []


def test_nothing_in_common_finds_nothing() -> None:
    assert order("zebra") == []
    assert order("") == []
    assert rank([], "museum") == []
    assert rank([Index([])], "museum") == []


def test_equal_scores_stay_in_the_order_of_the_documents() -> None:
    same = Index(["A tern dives.", "A tern dives."])
    assert rank([same, same], "tern") == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_several_documents_are_weighed_together() -> None:
    first, second = Index(["red lamp"] * 5), Index(["blue lamp", "lamp"])
    assert rank([first, second], "blue lamp")[0] == (1, 0)
