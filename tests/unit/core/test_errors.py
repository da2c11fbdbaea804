import pickle

from core.errors import AppError, ErrorCode


def test_an_error_carries_its_code_and_facts() -> None:
    error = AppError(ErrorCode.PROMPT_TOO_LONG, n_tokens=5, limit=4)
    assert error.code is ErrorCode.PROMPT_TOO_LONG
    assert error.facts == {"n_tokens": 5, "limit": 4}
    assert str(error) == "prompt_too_long(n_tokens=5, limit=4)"
    assert str(AppError(ErrorCode.PROMPT_EMPTY)) == "prompt_empty()"


def test_codes_are_unique_and_plain() -> None:
    assert len({code.value for code in ErrorCode}) == len(ErrorCode)
    assert all(code.value == code.name.lower() for code in ErrorCode)


def test_the_code_survives_as_text() -> None:
    assert ErrorCode(pickle.loads(pickle.dumps(ErrorCode.DISK_FULL))) is ErrorCode.DISK_FULL
