"""The preferences as a person uses them: found, changed, in force at once, kept, taken back."""

import json
import zipfile

import numpy as np
import pytest
from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QAbstractButton, QAbstractSlider, QAbstractSpinBox, QLineEdit, QPlainTextEdit, QScrollBar

from app.chat.chat_style import ChatPromptDialog
from app.preferences.controls import escaped, unescaped
from app.preferences.window import PreferencesWindow
from core import presets
from core.inference.outlook import make_outlook
from core.inference.sampling import next_token_probabilities
from core.presets import ChatOverrides
from core.settings import Settings, sampling_params
from core.specs import SPECS, Kind, Page

pytestmark = [pytest.mark.gui, pytest.mark.qt_log_ignore("plugin does not support")]


def open_preferences(qtbot, session) -> PreferencesWindow:
    session.window.actions_by_name["on_preferences"].trigger()
    window = session.window.preferences.window
    qtbot.waitExposed(window)
    qtbot.waitUntil(lambda: session.runner.is_idle)
    return window


def row(window: PreferencesWindow, key: str):
    return next(each for each in window.rows if each.spec.key == key)


def send(qtbot, session, text: str) -> None:
    qtbot.keyClicks(session.window.pane.composer.text, text)
    qtbot.keyClick(session.window.pane.composer.text, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: not session.window.chat.is_busy and session.runner.is_idle)


OTHER = {
    Kind.SWITCH: lambda spec: not spec.default,
    Kind.CHOICE: lambda spec: next(choice for choice in spec.choices if choice != spec.default),
    Kind.NUMBER: lambda spec: 0.5,
    Kind.INTEGER: lambda spec: 128 if spec.minimum <= 128 <= spec.maximum else int(spec.maximum),
    Kind.LINES: lambda spec: ("END", "a\nb"),
    Kind.PATH: lambda spec: "/home/you/models",
    Kind.TEXT: lambda spec: "Creative" if spec.key == "preset" else "Be brief.",
    Kind.PRESETS: lambda spec: ({"name": "Mine", "values": {"system_prompt": "x"}},),
}


def test_every_setting_is_in_the_window_marked_when_changed_and_reset(qtbot, open_window, make_engine) -> None:
    session = open_window(make_engine())
    window = open_preferences(qtbot, session)
    live = session.window.live
    assert [each.spec.key for page in Page for each in window.view(page).rows] == [
        spec.key for page in Page for is_late in (False, True) for spec in SPECS
        if spec.page is page and spec.is_advanced is is_late
    ]  # fmt: skip
    for spec in SPECS:
        each = row(window, spec.key)
        assert not each.is_marked, spec.key
        live.set(spec.key, OTHER[spec.kind](spec) if spec.key != "repeat_window" else 64)
        assert each.is_marked, spec.key
        each.reset_button.click()
        assert not each.is_marked, spec.key
        assert live.settings == Settings(), spec.key


def test_what_is_entered_is_in_force_and_survives_a_restart(qtbot, open_window, make_engine) -> None:
    session = open_window(make_engine())
    window = open_preferences(qtbot, session)
    for spec in SPECS:
        if spec.kind in (Kind.PATH, Kind.PRESETS) or spec.key == "preset":
            continue
        wanted = spec.check(OTHER[spec.kind](spec) if spec.key != "repeat_window" else 64)
        control = row(window, spec.key).control
        control.show_value(wanted)
        control.tell(wanted)
        assert session.window.settings.get(spec.key) == wanted, spec.key
    before = session.window.settings
    assert open_window.close(session)
    again = open_window(make_engine())
    assert again.window.settings == before


def test_controls_enter_what_they_show(qtbot, open_window) -> None:
    window = open_preferences(qtbot, open_window())
    live = row(window, "seed")._live
    seed = row(window, "seed").control.field
    qtbot.keyClicks(seed, "12x4")
    assert live.settings.optional_integer("seed") == 124
    seed.clear()
    seed.textEdited.emit("")
    assert live.settings.optional_integer("seed") is None
    stop = row(window, "stop").control.field
    stop.setPlainText("END\n\\nUser:")
    assert live.settings.lines("stop") == ("END", "\nUser:")
    stop.setPlainText("\n".join("abcdefghijklmnopq"))  # 17, one more than is allowed
    assert live.settings.lines("stop") == ("END", "\nUser:")
    assert stop.toPlainText() == "END\n\\nUser:"
    top_k = row(window, "top_k").control.field
    top_k.setFocus()
    top_k.selectAll()
    qtbot.keyClicks(top_k, "7")
    qtbot.keyClick(top_k, Qt.Key.Key_Return)
    assert live.settings.integer("top_k") == 7
    temperature = row(window, "temperature").control
    temperature._slider.setValue(temperature._slider.maximum())
    assert live.settings.number("temperature") == 5.0
    row(window, "text_size_percent").control.field.stepUp()
    assert live.settings.integer("text_size_percent") == 105


@pytest.mark.parametrize("text", ["plain", "a\nb", "a\\nb", "\\", "\\\\n\n", "tab\t"])
def test_a_line_comes_back_as_it_was(text: str) -> None:
    assert unescaped(escaped(text)) == text
    assert "\n" not in escaped(text)


def test_theme_and_size_change_at_once_and_the_menu_follows(qtbot, open_window) -> None:
    session = open_window()
    window = open_preferences(qtbot, session)
    row(window, "theme").control._group.button(2).click()
    row(window, "density").control._group.button(1).click()
    qtbot.waitUntil(lambda: session.theme.is_settled)
    assert session.theme.is_dark
    assert session.theme.sizes.space_4 < 16
    assert session.window.actions_by_name["scheme:dark"].isChecked()
    assert {part.styleSheet() for part in window.parts} == {session.window.styleSheet()}
    session.window.actions_by_name["on_larger_text"].trigger()
    assert row(window, "text_size_percent").control.field.value() == 110


def test_search_leaves_what_fits(qtbot, open_window) -> None:
    window = open_preferences(qtbot, open_window())
    qtbot.keyClicks(window.search, "temperature")
    assert window.page is Page.ANSWERS
    shown = [each.spec.key for each in window.rows if each.isVisible()]
    assert shown == ["temperature"]
    assert [window.list.item(i).isHidden() for i in range(window.list.count())].count(False) == 1
    window.search.setText("no such thing at all")
    assert window._stack.currentWidget() is window._nothing
    window.search.setText("delete everything")
    assert window.page is Page.PRIVACY
    window.search.clear()
    assert not any(window.list.item(i).isHidden() for i in range(window.list.count()))


def test_escape_closes_and_the_place_is_kept(qtbot, open_window) -> None:
    session = open_window()
    window = open_preferences(qtbot, session)
    assert not window.isModal()
    window.show_page(Page.PRIVACY)
    window.resize(800, 620)
    escape = next(action for action in window.actions() if action.shortcut().toString() == "Esc")
    escape.trigger()
    assert not window.isVisible()
    assert open_preferences(qtbot, session) is window
    assert window.page is Page.PRIVACY
    assert open_window.close(session)
    again = open_window()
    box = open_preferences(qtbot, again).geometry()
    assert (box.width(), box.height()) == (800, 620)


def test_the_command_has_its_role_and_keys(qtbot, open_window) -> None:
    action = open_window().window.actions_by_name["on_preferences"]
    assert action.shortcut().toString() == "Ctrl+,"
    assert action.menuRole() is QAction.MenuRole.PreferencesRole


def test_every_control_has_a_name_and_takes_the_focus(qtbot, open_window) -> None:
    window = open_preferences(qtbot, open_window())
    window.view(Page.ANSWERS).unfold()
    kinds = (QAbstractButton, QAbstractSpinBox, QAbstractSlider, QLineEdit, QPlainTextEdit)
    for kind in kinds:
        for widget in window.findChildren(kind):
            if isinstance(widget, QScrollBar) or widget.objectName().startswith("qt_"):
                continue
            name = widget.accessibleName() or (widget.text() if isinstance(widget, QAbstractButton) else "")
            is_part = isinstance(widget.parentWidget(), QLineEdit | QAbstractSpinBox)
            assert name or is_part, (type(widget), widget.parentWidget())
            is_stepper = widget.property("kind") == "step"  # the arrow keys of the field do the same
            assert is_part or is_stepper or widget.focusPolicy() & Qt.FocusPolicy.TabFocus, name


def test_a_style_is_chosen_changed_saved_and_deleted(qtbot, open_window) -> None:
    session = open_window()
    window = open_preferences(qtbot, session)
    live = session.window.live
    chooser = row(window, "preset").control.field
    chooser._group.button(0).click()
    assert live.settings.text("preset") == "Precise"
    temperature = row(window, "temperature")
    assert temperature.control.field.value() == 0.2
    assert not temperature.is_marked
    temperature.control.field.setValue(0.4)
    assert temperature.is_marked
    assert live.settings.number("temperature") == 0.7
    assert presets.resolve(live.settings).number("temperature") == 0.4
    chooser._name.setText("precise")
    assert not chooser._save.isEnabled()
    chooser._name.setText("Letters")
    chooser._save.click()
    assert live.settings.text("preset") == "Letters"
    assert [button.text() for button in chooser._group.buttons()] == ["Precise", "Balanced", "Creative", "Letters"]
    chooser._remove.click()
    assert live.settings.text("preset") == "Balanced"
    assert len(chooser._group.buttons()) == 3


def test_system_prompts_are_kept_under_names(qtbot, open_window) -> None:
    session = open_window()
    window = open_preferences(qtbot, session)
    live = session.window.live
    row(window, "system_prompt").control.edit.setPlainText("You are a tern.")
    library = row(window, "prompt_library").control.field
    library._name.setText("Bird & co")
    library._save.click()
    row(window, "system_prompt").reset_button.click()
    library.menu.aboutToShow.emit()
    action = next(action for action in library.menu.actions() if action.text() == "Bird && co")
    action.trigger()
    assert live.settings.text("system_prompt") == "You are a tern."
    next(action for action in library.menu.actions() if action.text().startswith("Delete")).trigger()
    assert live.settings.presets("prompt_library") == ()


def test_the_preview_shows_what_the_sampler_would_do(qtbot, open_window, make_engine) -> None:
    engine = make_engine()
    logits = np.random.default_rng(1).normal(size=2000).astype(np.float32) * 2
    ids = tuple(engine.tokenizer.encode_text("The tide"))
    engine.outlook = lambda: make_outlook(engine.tokenizer, ids, logits)
    session = open_window(engine)
    window = open_preferences(qtbot, session)
    window.show_page(Page.ANSWERS)
    preview = window.view(Page.ANSWERS).preview
    qtbot.waitUntil(lambda: len(preview.candidates) == 8)

    def expected() -> list[float]:
        params = sampling_params(presets.resolve(session.window.settings))
        return [float(share) for share in next_token_probabilities(logits, ids, params)[1][:8]]

    shares = [candidate.share for candidate in preview.candidates]
    assert shares == expected()
    row(window, "temperature").control.field.setValue(2.0)
    flatter = [candidate.share for candidate in preview.candidates]
    assert flatter == expected()
    assert flatter[0] < shares[0]
    row(window, "top_k").control.field.setValue(1)
    assert [candidate.share for candidate in preview.candidates] == [1.0]
    assert "100" in preview.accessibleDescription()
    preview.grab()


def test_settings_of_the_model_offer_to_open_it_again(qtbot, open_window, make_engine) -> None:
    session = open_window(make_engine())
    window = open_preferences(qtbot, session)
    assert window.reload_text == ""
    row(window, "context_length").control.field.setValue(1024)
    assert "Context length" in window.reload_text
    window.reload_requested.emit()
    qtbot.waitUntil(lambda: session.window.models.state.is_ready and session.runner.is_idle)
    assert window.reload_text == ""


def test_memory_and_battery_are_shown(qtbot, open_window, make_engine) -> None:
    session = open_window(make_engine())
    window = open_preferences(qtbot, session)
    window.show_page(Page.PERFORMANCE)
    facts = window.view(Page.PERFORMANCE).parts[0]
    qtbot.waitUntil(lambda: "of memory" in facts.text() and "now." in facts.text())


def test_a_chat_has_a_style_and_a_prompt_of_its_own(qtbot, open_window, make_engine) -> None:
    engine = make_engine()
    asked: list[float] = []
    plain = engine.generate

    def generate(ids, params, cancel, emit, choices=()):
        asked.append(params.temperature)
        return plain(ids, params, cancel, emit, choices)

    engine.generate = generate
    session = open_window(engine)
    button = session.window.pane.header.style_button
    button.preset_chosen.emit("Precise")
    assert "Precise ●" in button.text()
    session.window.on_chat_prompt()
    dialog = session.window.findChild(ChatPromptDialog)
    dialog.edit.setPlainText("You are a tern.")
    dialog.on_use()
    send(qtbot, session, "Hi")
    assert asked == [0.2]
    chat_id = session.window.chat.chat_id
    assert session.window.services.overrides.get(chat_id) == ChatOverrides("Precise", "You are a tern.")
    tern = engine.tokenizer.encode_text(" are a tern.")
    assert ",".join(map(str, tern)) in ",".join(map(str, engine.prompts[0]))
    session.window.on_new_chat()
    assert button.text() == "Balanced"
    send(qtbot, session, "Hi")
    assert asked == [0.2, 0.7]
    session.window.on_chat_chosen(chat_id)
    qtbot.waitUntil(lambda: "Precise ●" in button.text())
    button.preset_chosen.emit(None)
    session.window.overrides.set_prompt(None)
    qtbot.waitUntil(lambda: session.runner.is_idle)
    assert session.window.services.overrides.get(chat_id) == ChatOverrides()


def test_the_quiet_profile_answers_with_fewer_threads(qtbot, open_window, make_engine) -> None:
    engine = make_engine()
    session = open_window(engine)
    session.window.live.set("threads", 6)
    session.window.live.set("profile", "quiet")
    send(qtbot, session, "Hi")
    assert engine.n_threads == 3


def test_everything_can_be_exported(qtbot, open_window, make_engine, tmp_path) -> None:
    session = open_window(make_engine())
    send(qtbot, session, "Keep me")
    window = open_preferences(qtbot, session)
    window.show_page(Page.PRIVACY)
    session.window.preferences.export_to(tmp_path / "all.zip")
    data = window.view(Page.PRIVACY).parts[-1]
    qtbot.waitUntil(lambda: "Exported 1 conversation" in data._note.text())
    assert zipfile.is_zipfile(tmp_path / "all.zip")
    assert data._sizes[next(iter(data._sizes))].text() != "…"


def test_deleting_everything_needs_the_words_and_begins_anew(qtbot, open_window, make_engine, app_paths) -> None:
    session = open_window(make_engine())
    send(qtbot, session, "Forget me")
    session.window.live.set("top_k", 3)
    window = open_preferences(qtbot, session)
    data = window.view(Page.PRIVACY).parts[-1]
    assert not data._erase.isEnabled()
    data._typed.setText("delete")
    assert not data._erase.isEnabled()
    data._typed.setText("Delete everything")
    data._erase.click()
    qtbot.waitUntil(lambda: session.window.services is not None and session.runner.is_idle)
    qtbot.waitUntil(lambda: session.window.live.is_saved and session.runner.is_idle)
    assert session.window.services.store.chats() == []
    assert session.window.settings == Settings()
    assert b"Forget me" not in app_paths.database.read_bytes()
    send(qtbot, session, "Hello again")
    assert len(session.window.services.store.chats()) == 1


def test_a_broken_settings_file_is_said_once(qtbot, open_window, make_engine, app_paths) -> None:
    app_paths.settings.write_text(json.dumps({"temperature": "hot", "top_k": 7}))
    session = open_window(make_engine())
    cards = [each for each in session.window.messages.rows if each.error is not None]
    assert len(cards) == 1
    assert cards[0].error.code.value == "settings_reset"
    assert session.window.settings.integer("top_k") == 7
    assert open_window.close(session)
    again = open_window(make_engine())
    assert again.window.messages.rows == []


def test_an_unreadable_settings_file_is_said_and_kept(qtbot, open_window, make_engine, app_paths) -> None:
    app_paths.settings.write_text("{")
    session = open_window(make_engine())
    assert [each.error.code.value for each in session.window.messages.rows] == ["settings_unreadable"]
    assert (app_paths.data / "settings.json.bad").read_text() == "{"


def test_closing_writes_no_settings_that_nobody_changed(qtbot, open_window, app_paths) -> None:
    assert open_window.close(open_window())
    assert not app_paths.settings.exists()


def test_a_place_on_no_screen_is_not_taken(qtbot, open_window) -> None:
    session = open_window()
    session.window.preferences.open(QRect())
    assert session.window.preferences.window.width() > 400
