"""Styles of answers: named sets of values, and which value counts when general settings, a style and a chat differ.

The order is general settings, then the style, then the chat: the later one counts. Knows values only; must not know
files, the database or the window.
"""

from dataclasses import dataclass
from typing import Final

from core.errors import AppError, ErrorCode
from core.settings import Settings
from core.specs import PRESET_KEYS, PlainValue, Preset, SettingValue, spec_of

BALANCED: Final = "Balanced"  # sets nothing: the general settings as they are
BUILT_IN: Final = (
    Preset.of("Precise", {"temperature": 0.2, "top_k": 20, "top_p": 0.9, "min_p": 0.1, "repeat_penalty": 1.05}),
    Preset(BALANCED),
    Preset.of("Creative", {"temperature": 1.1, "top_k": 100, "top_p": 0.98, "min_p": 0.02, "repeat_penalty": 1.15}),
)
# What makes a style: edited in the style that is chosen, while all else stays general unless a style names it.
STYLE_KEYS: Final = ("temperature", "top_k", "top_p", "min_p", "repeat_penalty")
BUILT_IN_PROMPTS: Final = (
    Preset.of("Helpful assistant", {"system_prompt": "You are a helpful assistant."}),
    Preset.of("Short answers", {"system_prompt": "You are a helpful assistant. Answer in at most three sentences."}),
    Preset.of(
        "Patient teacher",
        {"system_prompt": "You are a patient teacher. Explain step by step, in plain words, with one small example."},
    ),
    Preset.of(
        "Careful editor",
        {
            "system_prompt": "You are a careful editor. Improve the text that you are given, keep its meaning and its "
            "language, and answer with the improved text alone."
        },
    ),
)


@dataclass(frozen=True, slots=True)
class ChatOverrides:
    """What one chat does differently; None takes what the settings say."""

    preset: str | None = None
    system_prompt: str | None = None


NO_OVERRIDES: Final = ChatOverrides()


def all_presets(settings: Settings) -> tuple[Preset, ...]:
    """Return the built-in styles with the person's changes to them, then the person's own, in the order of making."""
    own = settings.presets("own_presets")
    changes = {preset.name.casefold(): preset for preset in own}
    built_in = [_merged(preset, changes.get(preset.name.casefold())) for preset in BUILT_IN]
    return (*built_in, *[preset for preset in own if not is_built_in(preset.name)])


def all_prompts(settings: Settings) -> tuple[Preset, ...]:
    """Return the system prompts that can be chosen by name: the built-in ones, then the person's own."""
    own = settings.presets("prompt_library")
    return (*BUILT_IN_PROMPTS, *[each for each in own if "system_prompt" in each.as_mapping()])


def is_built_in(name: str) -> bool:
    """True for Precise, Balanced and Creative, which can be changed and reset but not deleted."""
    return any(name.casefold() == preset.name.casefold() for preset in BUILT_IN)


def preset_in_force(settings: Settings, overrides: ChatOverrides = NO_OVERRIDES) -> Preset:
    """Return the style of a chat: its own, else that of the settings, else Balanced; unknown names are passed over."""
    known = {preset.name.casefold(): preset for preset in all_presets(settings)}
    wanted = (overrides.preset or "", settings.text("preset"), BALANCED)
    return next(known[name.casefold()] for name in wanted if name.casefold() in known)


def resolve(settings: Settings, overrides: ChatOverrides = NO_OVERRIDES) -> Settings:
    """Return the settings that count for a chat: general settings, then its style, then what the chat itself says."""
    resolved = settings
    for key, value in preset_in_force(settings, overrides).values:
        resolved = resolved.with_value(key, value)
    if overrides.system_prompt is not None:
        resolved = resolved.with_value("system_prompt", overrides.system_prompt)
    return resolved


def edited_preset(settings: Settings, key: str) -> Preset | None:
    """Return the style in which a change of `key` is kept; None where the general settings keep it."""
    preset = preset_in_force(settings)
    is_of_style = key in STYLE_KEYS and preset.name != BALANCED
    return preset if is_of_style or key in preset.as_mapping() else None


def default_of(settings: Settings, key: str) -> SettingValue:
    """Return what `key` would be without the change that `with_reset` takes back."""
    preset = edited_preset(settings, key)
    if preset is None:
        return spec_of(key).default
    built_in = next((each for each in BUILT_IN if each.name == preset.name), Preset(preset.name))
    return built_in.as_mapping().get(key, settings.get(key))


def is_changed(settings: Settings, key: str) -> bool:
    """True where the value in force is not the default."""
    return resolve(settings).get(key) != default_of(settings, key)


def with_change(settings: Settings, key: str, value: object) -> Settings:
    """Return settings in which `key` holds `value`, kept in the chosen style where it belongs to one.

    Raises:
        AppError: SETTING_INVALID.
    """
    preset = edited_preset(settings, key) if key in PRESET_KEYS else None
    if preset is None:
        return settings.with_value(key, value)
    checked = spec_of(key).check(value)
    if checked == default_of(settings, key):
        return with_reset(settings, key)
    own = _own(settings, preset.name).as_mapping()
    return _with_own(settings, Preset.of(preset.name, {**own, key: _plain(checked)}))


def with_reset(settings: Settings, key: str) -> Settings:
    """Return settings in which `key` is what it would be by default."""
    preset = edited_preset(settings, key) if key in PRESET_KEYS else None
    if preset is None:
        return settings.with_value(key, spec_of(key).default)
    own = {name: value for name, value in _own(settings, preset.name).as_mapping().items() if name != key}
    return _with_own(settings, Preset.of(preset.name, own))


def with_own_preset(settings: Settings, name: str) -> Settings:
    """Return settings with the values in force kept as a new style `name`, and chosen.

    Raises:
        AppError: SETTING_INVALID: the name is empty, too long, or taken.
    """
    name = " ".join(name.split())
    if any(name.casefold() == preset.name.casefold() for preset in all_presets(settings)):
        raise AppError(ErrorCode.SETTING_INVALID, key="own_presets", value=name, allowed="a name that is not taken")
    in_force = resolve(settings)
    kept = [key for key in PRESET_KEYS if key in STYLE_KEYS or in_force.get(key) != spec_of(key).default]
    made = Preset.of(name, {key: _plain(in_force.get(key)) for key in kept})
    return _with_own(settings, made).with_value("preset", name)


def without_preset(settings: Settings, name: str) -> Settings:
    """Return settings without the person's style `name`; of a built-in one its changes are taken back."""
    left = tuple(each for each in settings.presets("own_presets") if each.name.casefold() != name.casefold())
    settings = settings.with_value("own_presets", left)
    is_chosen = settings.text("preset").casefold() == name.casefold()
    return settings.with_value("preset", BALANCED) if is_chosen and not is_built_in(name) else settings


def _merged(preset: Preset, change: Preset | None) -> Preset:
    return preset if change is None else Preset.of(preset.name, {**preset.as_mapping(), **change.as_mapping()})


def _own(settings: Settings, name: str) -> Preset:
    found = (each for each in settings.presets("own_presets") if each.name.casefold() == name.casefold())
    return next(found, Preset(name))


def _with_own(settings: Settings, preset: Preset) -> Settings:
    """Put `preset` in the place of the person's one of that name, or at the end; an empty change leaves."""
    own = list(settings.presets("own_presets"))
    place = next((i for i, each in enumerate(own) if each.name.casefold() == preset.name.casefold()), len(own))
    own[place : place + 1] = [] if not preset.values and is_built_in(preset.name) else [preset]
    return settings.with_value("own_presets", tuple(own))


def _plain(value: SettingValue) -> PlainValue:
    assert not (isinstance(value, tuple) and value and isinstance(value[0], Preset))
    return value  # type: ignore[return-value]
