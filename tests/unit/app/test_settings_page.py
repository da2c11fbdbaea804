"""The page of the guide and the table say the same, and no setting is without effect."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from core.specs import PRESET_KEYS, SPECS

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "assets" / "guide" / "settings.md"
# Where settings are declared, shown or passed through: being named there is no effect.
NO_EFFECT = {"specs.py", "presets.py", "pages.py", "options.py", "presenter.py", "rows.py", "styles.py"}


def test_the_page_is_what_would_be_written() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "packaging" / "settings_page.py"), "--check"], check=False)
    assert done.returncode == 0, "run: python packaging/settings_page.py"


@pytest.mark.parametrize("spec", SPECS, ids=[spec.key for spec in SPECS])
def test_every_setting_is_on_the_page(spec) -> None:
    assert f"| {spec.label} |" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("spec", SPECS, ids=[spec.key for spec in SPECS])
def test_something_obeys_every_setting(spec) -> None:
    sources = [path for folder in ("app", "core") for path in (ROOT / folder).rglob("*.py")]
    read = re.compile(rf'\.(?:text|integer|optional_integer|number|flag|lines|presets)\(\s*"{spec.key}"')
    obeyed = [path.name for path in sources if path.name not in NO_EFFECT and read.search(path.read_text("utf-8"))]
    if spec.key in ("preset", "own_presets", "prompt_library"):  # presets.py itself carries these out
        assert read.search((ROOT / "core" / "presets.py").read_text("utf-8"))
    else:
        assert obeyed, f"nothing reads {spec.key}"
    assert spec.key in PRESET_KEYS or not spec.is_advanced
