"""The one table of preferences (SPECS): what each setting may hold, and its words.

The dialog, the page of the guide, the file and the tests are made from it. Knows which settings there are; must not
know who uses them. The labels and help texts stand here, not in app/, so that one line adds a setting.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeGuard

from core.errors import AppError, ErrorCode

PlainValue = str | int | float | bool | tuple[str, ...] | None
MAX_LINE_CHARS: Final = 256  # of each text of LINES; the sampler's limit of a stop string
MAX_NAME_CHARS: Final = 40  # of a preset
# What a preset may set in place of the general settings.
PRESET_KEYS: Final = (
    "temperature", "top_k", "top_p", "min_p", "repeat_penalty", "repeat_window", "max_tokens", "seed", "stop",
    "system_prompt",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Preset:
    """A named set of values (of PRESET_KEYS) that stand in for the general settings; `values` is ordered by key."""

    name: str
    values: tuple[tuple[str, PlainValue], ...] = ()

    @classmethod
    def of(cls, name: str, values: Mapping[str, PlainValue]) -> "Preset":
        """Return a preset with these values."""
        return cls(name, tuple(sorted(values.items())))

    def as_mapping(self) -> dict[str, PlainValue]:
        """Return the values by key."""
        return dict(self.values)


SettingValue = PlainValue | tuple[Preset, ...]


class Kind(StrEnum):
    """What a setting holds; the dialog picks its control by it."""

    TEXT = "text"  # str
    PATH = "path"  # str, a file or directory
    INTEGER = "integer"  # int within minimum..maximum
    NUMBER = "number"  # float within minimum..maximum
    SWITCH = "switch"  # bool
    CHOICE = "choice"  # str, one of choices
    LINES = "lines"  # tuple[str, ...], no empty ones
    PRESETS = "presets"  # tuple[Preset, ...], names unique whatever their case


class Page(StrEnum):
    """The pages of the settings dialog, in their order."""

    GENERAL = "General"
    APPEARANCE = "Appearance"
    ANSWERS = "Answers"
    DOCUMENTS = "Documents"
    PERFORMANCE = "Performance"
    NETWORK = "Network"
    PRIVACY = "Privacy"
    SHORTCUTS = "Shortcuts"


@dataclass(frozen=True, slots=True)
class Spec:
    """One setting: what it may hold and how it is shown.

    `is_optional` allows None, which always means "automatic" or "none chosen". `needs_reload` says that a change
    takes effect when the model is next opened. `is_advanced` puts it under "Advanced". `words` are the choices as
    they are shown, `empty` is what None is called, `step` is what an arrow key adds.
    """

    key: str
    kind: Kind
    default: SettingValue
    label: str
    help: str
    page: Page
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    is_optional: bool = False
    needs_reload: bool = False
    is_advanced: bool = False
    words: tuple[str, ...] = ()
    empty: str = ""
    step: float = 1
    unit: str = ""
    is_file: bool = False  # of PATH: a file, not a folder

    @property
    def allowed(self) -> str:
        """The allowed values in a short form, as a fact for SETTING_INVALID."""
        match self.kind:
            case Kind.INTEGER | Kind.NUMBER:
                return f"{self.minimum:g} to {self.maximum:g}"
            case Kind.CHOICE:
                return ", ".join(self.choices)
            case Kind.SWITCH:
                return "true, false"
            case Kind.LINES:
                return f"at most {self.maximum:g} texts of 1 to {MAX_LINE_CHARS} characters"
            case Kind.PRESETS:
                return f"at most {self.maximum:g} named sets of values"
            case Kind.TEXT | Kind.PATH:
                return f"text of at most {self.maximum:g} characters"

    def check(self, value: object) -> SettingValue:
        """Return `value` in its proper type.

        Raises:
            AppError: SETTING_INVALID.
        """
        if value is None and self.is_optional:
            return None
        checked = self._checked(value)
        if checked is None:
            raise AppError(ErrorCode.SETTING_INVALID, key=self.key, value=repr(value)[:80], allowed=self.allowed)
        return checked

    def _checked(self, value: object) -> SettingValue:
        """Return `value` in its proper type, or None when it is not allowed."""
        match self.kind:
            case Kind.SWITCH:
                return value if isinstance(value, bool) else None
            case Kind.INTEGER:
                return value if _is_whole(value) and self._is_in_range(value) else None
            case Kind.NUMBER:
                if not (_is_whole(value) or isinstance(value, float)) or not self._is_in_range(value):
                    return None
                return float(value)
            case Kind.CHOICE:
                return value if isinstance(value, str) and value in self.choices else None
            case Kind.LINES:
                return self._checked_lines(value)
            case Kind.PRESETS:
                return self._checked_presets(value)
            case Kind.TEXT | Kind.PATH:
                return value if isinstance(value, str) and _is_text(value) and self._is_in_range(len(value)) else None

    def _checked_lines(self, value: object) -> tuple[str, ...] | None:
        if not isinstance(value, list | tuple) or not self._is_in_range(len(value)):
            return None
        lines = tuple(
            line for line in value if isinstance(line, str) and 1 <= len(line) <= MAX_LINE_CHARS and _is_text(line)
        )
        return lines if len(lines) == len(value) else None

    def _checked_presets(self, value: object) -> tuple[Preset, ...] | None:
        """Return the presets, None where one of them is not whole."""
        if not isinstance(value, list | tuple) or not self._is_in_range(len(value)):
            return None
        made = tuple(preset for each in value if (preset := _preset(each)) is not None)
        return made if len(made) == len(value) and len({each.name.casefold() for each in made}) == len(made) else None

    def _is_in_range(self, number: float) -> bool:
        low = -math.inf if self.minimum is None else self.minimum
        high = math.inf if self.maximum is None else self.maximum
        return low <= number <= high  # false for NaN


SPECS: Final[tuple[Spec, ...]] = (
    Spec("model_path", Kind.PATH, None, "Model", "The folder of the model that answers. Empty: the starter model.",
         Page.GENERAL, maximum=4096, is_optional=True, needs_reload=True, empty="the starter model"),
    Spec("models_directory", Kind.PATH, None, "More models in",
         "A further folder in which Tern looks for models, from the next start on.",
         Page.GENERAL, maximum=4096, is_optional=True, empty="none"),
    Spec("opens_last_chat", Kind.SWITCH, True, "Go on where you left off",
         "Tern starts with the conversation that was open last. Off: with an empty one.", Page.GENERAL),
    Spec("notifies_when_done", Kind.SWITCH, True, "Tell me when a long answer is finished",
         "Only while Tern is in the background, for answers that took more than ten seconds. It never shows any text "
         "of the answer.", Page.GENERAL),
    Spec("keeps_in_tray", Kind.SWITCH, False, "Keep Tern in the tray",
         "Closing the window then leaves Tern running, with an icon to show it again or to quit. Where the system has "
         "no tray, closing quits.", Page.GENERAL),
    Spec("send_on_enter", Kind.SWITCH, True, "Enter sends",
         "Enter sends the message and Shift+Enter starts a line. Off: Ctrl+Enter sends.", Page.GENERAL),
    Spec("theme", Kind.CHOICE, "system", "Colours", "Light, dark, or as the system is set.",
         Page.APPEARANCE, choices=("system", "light", "dark"), words=("As the system", "Light", "Dark")),
    Spec("text_size_percent", Kind.INTEGER, 100, "Text size", "The size of all text, from 80 to 200 %.",
         Page.APPEARANCE, minimum=80, maximum=200, step=5, unit=" %"),
    Spec("density", Kind.CHOICE, "comfortable", "Density", "How much room there is around controls and messages.",
         Page.APPEARANCE, choices=("comfortable", "compact"), words=("Comfortable", "Compact")),
    Spec("preset", Kind.TEXT, "Balanced", "Style of answers",
         "Precise keeps to the likeliest words, Creative dares more, Balanced lies between; or one of your own.",
         Page.ANSWERS, minimum=1, maximum=MAX_NAME_CHARS),
    Spec("own_presets", Kind.PRESETS, (), "Own styles", "Sets of values under a name of yours; a chat can choose one.",
         Page.ANSWERS, maximum=50),
    Spec("system_prompt", Kind.TEXT, "You are a helpful assistant.", "System prompt",
         "What the model is told before every conversation.", Page.ANSWERS, maximum=100_000),
    Spec("prompt_library", Kind.PRESETS, (), "Own system prompts", "System prompts that you keep under a name.",
         Page.ANSWERS, maximum=200),
    Spec("temperature", Kind.NUMBER, 0.7, "Temperature",
         "Higher is more varied, lower more predictable. 0: always the likeliest word. Unchanged, the starter has 0.2.",
         Page.ANSWERS, minimum=0.0, maximum=5.0, is_advanced=True, step=0.1),
    Spec("top_k", Kind.INTEGER, 40, "Top k", "Choose among this many likeliest tokens. 0: no limit.",
         Page.ANSWERS, minimum=0, maximum=1_000_000, is_advanced=True, step=5),
    Spec("top_p", Kind.NUMBER, 0.95, "Top p", "Choose among the likeliest tokens that make up this share. 1: all.",
         Page.ANSWERS, minimum=0.01, maximum=1.0, is_advanced=True, step=0.05),
    Spec("min_p", Kind.NUMBER, 0.05, "Min p", "Leave out tokens below this share of the likeliest one. 0: none.",
         Page.ANSWERS, minimum=0.0, maximum=1.0, is_advanced=True, step=0.05),
    Spec("repeat_penalty", Kind.NUMBER, 1.1, "Repetition penalty", "Above 1 makes repeated words less likely.",
         Page.ANSWERS, minimum=0.5, maximum=3.0, is_advanced=True, step=0.05),
    Spec("repeat_window", Kind.INTEGER, 128, "Repetition window", "How many of the last tokens count as repeated.",
         Page.ANSWERS, minimum=0, maximum=131072, is_advanced=True, step=16),
    Spec("max_tokens", Kind.INTEGER, 1024, "Longest answer", "An answer ends after this many tokens.",
         Page.ANSWERS, minimum=1, maximum=131072, is_advanced=True, step=64, unit=" tokens"),
    Spec("seed", Kind.INTEGER, None, "Seed", "The same seed gives the same answer again. Empty: a new one each time.",
         Page.ANSWERS, minimum=0, maximum=2**63 - 1, is_optional=True, is_advanced=True, empty="a new one each time"),
    Spec("stop", Kind.LINES, (), "Stop at", "An answer ends before any of these texts, one a line.",
         Page.ANSWERS, maximum=16, is_advanced=True),
    Spec("passages_limit", Kind.INTEGER, 4, "Passages for a question",
         "How many passages of your documents the model reads at most. More takes longer before the answer begins.",
         Page.DOCUMENTS, minimum=1, maximum=12),
    Spec("passages_share_percent", Kind.INTEGER, 50, "Room for passages",
         "The share of the context that passages may fill; the conversation gets the rest.",
         Page.DOCUMENTS, minimum=10, maximum=90, step=5, unit=" %"),
    Spec("document_answers", Kind.CHOICE, "automatic", "Answers about documents",
         "Quotes are sentences of your documents, word for word. Automatic: small models quote, others answer freely.",
         Page.DOCUMENTS, choices=("automatic", "quotes", "free"), words=("Automatic", "Quotes only", "Free")),
    Spec("profile", Kind.CHOICE, "automatic", "Speed",
         "Quiet uses half the threads, for a cool and silent computer. Automatic is quiet on battery.",
         Page.PERFORMANCE, choices=("automatic", "fast", "quiet"), words=("Automatic", "Fast", "Quiet")),
    Spec("threads", Kind.INTEGER, None, "Threads", "How many processor cores answer. Empty: chosen for this computer.",
         Page.PERFORMANCE, minimum=1, maximum=256, is_optional=True, empty="chosen for this computer"),
    Spec("context_length", Kind.INTEGER, None, "Context length",
         "How many tokens of the conversation the model sees. More needs more memory. Empty: what the model allows.",
         Page.PERFORMANCE, minimum=128, maximum=131072, is_optional=True, needs_reload=True, step=256,
         empty="what the model allows", unit=" tokens"),
    Spec("kv_precision", Kind.CHOICE, "f16", "KV precision",
         "How exactly the context is remembered. 16 bits need half the memory of 32 and hardly change an answer; "
         "8 bits need a quarter.",
         Page.PERFORMANCE, choices=("f32", "f16", "int8"), words=("32 bits", "16 bits", "8 bits"), needs_reload=True),
    Spec("hub_address", Kind.TEXT, "", "Download from",
         "The https address of a mirror of the Hugging Face hub. Empty: huggingface.co, or what HF_ENDPOINT names. "
         "Tern goes online for downloads that you start, and for nothing else.",
         Page.NETWORK, maximum=400),
    Spec("proxy", Kind.TEXT, "", "Proxy",
         "Such as http://proxy.example:3128, with user name and password where it wants them. Empty: the system's. "
         "The word none: no proxy.", Page.NETWORK, maximum=400),
    Spec("ca_file", Kind.PATH, None, "Certificate file",
         "A PEM file to trust beside the system's certificates, for networks that look into connections.",
         Page.NETWORK, maximum=4096, is_optional=True, empty="none", is_file=True),
)  # fmt: skip
_SPEC_OF: Final[Mapping[str, Spec]] = MappingProxyType({spec.key: spec for spec in SPECS})


def spec_of(key: str) -> Spec:
    """Return the spec of `key`; KeyError for a key that is not in the table."""
    return _SPEC_OF[key]


def whole_presets(value: object) -> Iterator[Preset]:
    """Yield what is whole of a damaged list of presets, without its bad values."""
    names: set[str] = set()
    for each in value if isinstance(value, list | tuple) else ():
        if isinstance(each, dict) and isinstance(each.get("values"), dict):
            kept = {key: found for key, found in each["values"].items() if _is_allowed(key, found)}
            preset = _preset({**each, "values": kept})
            if preset is not None and preset.name.casefold() not in names:
                names.add(preset.name.casefold())
                yield preset


def _preset(value: object) -> Preset | None:
    """Return a Preset made of {"name", "values"} or of a Preset; None where anything in it is not allowed."""
    if isinstance(value, Preset):
        name, values = value.name, value.as_mapping()
    elif isinstance(value, dict) and isinstance(value.get("name"), str) and isinstance(value.get("values"), dict):
        name, values = value["name"], value["values"]
    else:
        return None
    if not 1 <= len(name) <= MAX_NAME_CHARS or name != " ".join(name.split()) or not _is_text(name):
        return None
    if not all(_is_allowed(key, found) for key, found in values.items()):
        return None
    return Preset.of(name, {key: _plain(spec_of(key).check(found)) for key, found in values.items()})


def _is_allowed(key: object, value: object) -> bool:
    try:
        return key in PRESET_KEYS and (spec_of(str(key)).check(value) is not None or spec_of(str(key)).is_optional)
    except AppError:
        return False


def _plain(value: SettingValue) -> PlainValue:
    assert not (isinstance(value, tuple) and value and isinstance(value[0], Preset))
    return value  # type: ignore[return-value]


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: str) -> bool:
    """True for text that UTF-8 can hold (no lone surrogates) and that has no NUL."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\0" not in value
