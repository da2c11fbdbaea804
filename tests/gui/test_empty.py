"""What an empty chat offers."""

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.chat.empty import EXAMPLES, STARTER_EXAMPLES, EmptyState
from app.chat.model_session import ModelState
from core.models.installed import InstalledModel

pytestmark = pytest.mark.gui


def offered(empty: EmptyState) -> list[str]:
    return [button.accessibleName() for button in empty._examples]


@pytest.mark.parametrize(("is_starter", "examples"), [(True, STARTER_EXAMPLES), (False, EXAMPLES)])
def test_examples_suit_the_model(qtbot: QtBot, is_starter: bool, examples: tuple[str, ...]) -> None:
    empty = EmptyState()
    qtbot.addWidget(empty)
    empty.show_model(ModelState(InstalledModel("some", Path("some"), is_starter=is_starter), is_ready=True))
    assert offered(empty) == list(examples)


def test_a_click_gives_the_words_that_are_shown(qtbot: QtBot) -> None:
    empty = EmptyState()
    qtbot.addWidget(empty)
    empty.show_model(ModelState(InstalledModel("starter", Path("starter"), is_starter=True), is_ready=True))
    with qtbot.waitSignal(empty.example_chosen) as chosen:
        empty._examples[1].click()
    assert chosen.args == [STARTER_EXAMPLES[1]]
