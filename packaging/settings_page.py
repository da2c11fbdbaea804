"""Writes the guide's page of settings from the table: python packaging/settings_page.py [--check].

With --check nothing is written, and the exit code is 1 where the committed page is not what would be written.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "assets" / "guide" / "settings.md"

HEAD = """# Settings
Ctrl+comma opens the settings (Cmd+comma on a Mac; menu Edit). A change counts at once and is kept. The field above
searches all pages. A dot marks what differs from the default, Reset takes it back. Esc closes the window.

A value that is not valid cannot be entered. If the file `settings.json` in the data folder is damaged, Tern says so
once; one bad field goes back to its default and nothing else changes.
"""
STYLES = """
**Styles.** Precise, Balanced and Creative are sets of values for the word choice. While one is chosen, what you
change under Advanced belongs to it; Reset takes its changes back. Values can be saved as a style of your own. A
single chat can have a style and a system prompt of its own: the button beside the model's name, marked with a dot
where the chat differs. The order is settings, then style, then chat; the last one that says something counts.

**The next word.** The bars show which words the model held likely at one place of your last answer, under the
settings as they stand, and change as you change them.
"""
FOOT = """
**Want** more creative answers: choose Creative, or raise the temperature. More precise ones: Precise, or lower it.
The same answer again: set a seed, or temperature 0. Less repetition: raise the repetition penalty a little. Shorter
answers: lower Longest answer. A cooler computer: Speed Quiet.

**Privacy** shows where your data is and how much there is. Export everything writes one ZIP file with your
conversations, the history and the settings. Delete everything asks you to type two words first.
"""


def text() -> str:
    """Return the page."""
    sys.path.insert(0, str(ROOT))
    from core.specs import SPECS, Page

    parts = [HEAD]
    for page in Page:
        specs = [spec for spec in SPECS if spec.page is page]
        if specs:
            parts.append(f"\n## {page.value}\n| setting | default | what it does |\n|---|---|---|\n")
            parts += [f"| {spec.label} | {_default(spec)} | {_effect(spec)} |\n" for spec in specs]
        if page is Page.ANSWERS:
            parts.append(STYLES)
    return "".join([*parts, FOOT])


def _default(spec: object) -> str:
    from core.specs import Kind, Spec

    assert isinstance(spec, Spec)
    match spec.kind:
        case Kind.SWITCH:
            return "on" if spec.default else "off"
        case Kind.CHOICE:
            return spec.words[spec.choices.index(str(spec.default))] if spec.words else str(spec.default)
        case Kind.LINES | Kind.PRESETS:
            return "none"
        case _:
            return "empty" if spec.default is None else f"{spec.default}{spec.unit}"


def _effect(spec: object) -> str:
    from core.specs import Spec

    assert isinstance(spec, Spec)
    allowed = (
        f" From {spec.minimum:g} to {spec.maximum:g}."
        if spec.minimum is not None and spec.kind.value in ("number",)
        else ""
    )
    reload = " Takes effect when the model is opened again." if spec.needs_reload else ""
    return f"{spec.help}{allowed}{reload}"


def main(arguments: list[str]) -> int:
    """Write the page, or compare it."""
    made = text()
    if arguments == ["--check"]:
        return 0 if PAGE.read_text(encoding="utf-8") == made else 1
    PAGE.write_text(made, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
