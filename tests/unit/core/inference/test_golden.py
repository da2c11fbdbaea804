from pathlib import Path

import pytest

from core.errors import AppError, ErrorCode
from core.inference.golden import read_golden


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"token_ids": ["x"]}', '{"token_ids": [1], "system": ""}'])
def test_a_damaged_file_is_said(text: str, tmp_path: Path) -> None:
    path = tmp_path / "golden.json"
    path.write_text(text, "utf-8")
    with pytest.raises(AppError) as caught:
        read_golden(path)
    assert caught.value.code is ErrorCode.MODEL_DAMAGED


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(AppError) as caught:
        read_golden(tmp_path / "golden.json")
    assert caught.value.code is ErrorCode.MODEL_INCOMPLETE
