"""Which value counts: properties of the inheritance from settings to style to chat."""

import json
import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import AppError, ErrorCode
from core.presets import (
    BALANCED,
    BUILT_IN,
    NO_OVERRIDES,
    STYLE_KEYS,
    ChatOverrides,
    all_presets,
    default_of,
    edited_preset,
    is_changed,
    preset_in_force,
    resolve,
    with_change,
    with_own_preset,
    with_reset,
    without_preset,
)
from core.settings import Settings, sampling_params
from core.specs import PRESET_KEYS, SPECS, Kind, Preset, Spec, spec_of

quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
names = st.text(string.ascii_letters + "éß中", min_size=1, max_size=12)


def values_of(spec: Spec) -> st.SearchStrategy[object]:
    match spec.kind:
        case Kind.SWITCH:
            made: st.SearchStrategy[object] = st.booleans()
        case Kind.CHOICE:
            made = st.sampled_from(spec.choices)
        case Kind.INTEGER:
            made = st.integers(int(spec.minimum or 0), int(min(spec.maximum or 0, 2**63 - 1)))
        case Kind.NUMBER:
            made = st.floats(spec.minimum, spec.maximum, allow_nan=False)
        case Kind.LINES:
            made = st.lists(st.text(string.printable, min_size=1, max_size=9), max_size=3).map(tuple)
        case Kind.PRESETS:
            made = st.just(())
        case _:
            made = st.text(string.ascii_letters + " \n", min_size=int(spec.minimum or 0), max_size=30)
    return st.none() | made if spec.is_optional else made


@st.composite
def presets(draw: st.DrawFn) -> Preset:
    keys = draw(st.sets(st.sampled_from(PRESET_KEYS)))
    return Preset.of(draw(names), {key: spec_of(key).check(draw(values_of(spec_of(key)))) for key in keys})


@st.composite
def any_settings(draw: st.DrawFn) -> Settings:
    made = Settings()
    for spec in SPECS:
        if draw(st.integers(0, 3)) == 0:
            made = made.with_value(spec.key, draw(values_of(spec)))
    own = draw(st.lists(presets(), max_size=3, unique_by=lambda preset: preset.name.casefold()))
    made = made.with_value("own_presets", tuple(own))
    known = [preset.name for preset in all_presets(made)]
    return made.with_value("preset", draw(st.sampled_from([*known, "gone"])))


overrides = st.builds(
    ChatOverrides,
    preset=st.none() | names | st.sampled_from([each.name for each in BUILT_IN]),
    system_prompt=st.none() | st.text(string.ascii_letters, max_size=20),
)


@quick
@given(any_settings(), overrides)
def test_the_later_layer_counts(made: Settings, chat: ChatOverrides) -> None:
    resolved = resolve(made, chat)
    style = preset_in_force(made, chat).as_mapping()
    for spec in SPECS:
        if spec.key == "system_prompt" and chat.system_prompt is not None:
            assert resolved.text(spec.key) == chat.system_prompt
        elif spec.key in style:
            assert resolved.get(spec.key) == style[spec.key]
        else:
            assert resolved.get(spec.key) == made.get(spec.key)
    sampling_params(resolved)  # whatever came together can be sampled with


@quick
@given(any_settings(), overrides)
def test_the_chats_own_style_comes_before_that_of_the_settings(made: Settings, chat: ChatOverrides) -> None:
    in_force = preset_in_force(made, chat)
    known = {preset.name.casefold() for preset in all_presets(made)}
    if chat.preset is not None and chat.preset.casefold() in known:
        assert in_force.name.casefold() == chat.preset.casefold()
    else:
        assert in_force == preset_in_force(made, NO_OVERRIDES)


@quick
@given(any_settings())
def test_balanced_and_nothing_else_is_the_settings_as_they_are(made: Settings) -> None:
    plain = made.with_value("own_presets", ()).with_value("preset", BALANCED)
    assert resolve(plain) == plain
    assert resolve(resolve(made)) == resolve(made)


@quick
@given(any_settings(), st.data())
def test_a_change_is_what_counts_and_a_reset_takes_it_back(made: Settings, data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(PRESET_KEYS))
    value = spec_of(key).check(data.draw(values_of(spec_of(key))))
    changed = with_change(made, key, value)
    assert resolve(changed).get(key) == value
    assert is_changed(changed, key) == (value != default_of(changed, key))
    others = [other for other in PRESET_KEYS if other != key]
    assert [resolve(changed).get(other) for other in others] == [resolve(made).get(other) for other in others]
    assert resolve(with_reset(changed, key)).get(key) == default_of(changed, key)


@quick
@given(any_settings(), st.sampled_from(STYLE_KEYS), st.floats(0.5, 1.0))
def test_a_change_to_one_style_leaves_the_others(made: Settings, key: str, share: float) -> None:
    value = share if spec_of(key).kind is Kind.NUMBER else int(share * 100)
    style = edited_preset(made, key)
    changed = with_change(made, key, value)
    if style is not None:
        others = {each.name: each for each in all_presets(made) if each.name != style.name}
        assert {each.name: each for each in all_presets(changed) if each.name != style.name} == others
        assert changed.get(key) == made.get(key)


@quick
@given(any_settings(), names)
def test_saving_a_style_changes_nothing_but_its_name(made: Settings, name: str) -> None:
    if any(name.casefold() == preset.name.casefold() for preset in all_presets(made)):
        with pytest.raises(AppError) as caught:
            with_own_preset(made, name)
        assert caught.value.code is ErrorCode.SETTING_INVALID
        return
    kept = with_own_preset(made, name)
    assert preset_in_force(kept).name == name
    assert [resolve(kept).get(key) for key in PRESET_KEYS] == [resolve(made).get(key) for key in PRESET_KEYS]
    assert preset_in_force(without_preset(kept, name)).name == BALANCED


@quick
@given(made=any_settings())
def test_everything_survives_the_file(made: Settings, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("round") / "settings.json"
    made.save(path)
    assert Settings.load(path) == made


def test_a_broken_style_loses_its_bad_values_only(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    own = [
        {"name": "Mine", "values": {"temperature": "hot", "top_k": 7}},
        {"name": "", "values": {}},
        {"name": "mine", "values": {}},
        {"name": "Dark", "values": {"theme": "dark"}},
        "text",
    ]
    path.write_text(json.dumps({"own_presets": own, "top_p": 0.5}))
    loaded = Settings.load(path)
    assert loaded.presets("own_presets") == (Preset.of("Mine", {"top_k": 7}), Preset("Dark"))
    assert loaded.reset_keys == ("own_presets",)
    assert loaded.number("top_p") == 0.5


def test_the_built_in_styles_are_in_order_of_daring() -> None:
    heat = [resolve(Settings().with_value("preset", each.name)).number("temperature") for each in BUILT_IN]
    assert heat == sorted(heat)
    assert len(set(heat)) == 3
