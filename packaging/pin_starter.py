"""Puts what depends on the starter model's files where it is looked up, after the model was made again.

Names, sizes and SHA-256 go into core/models/catalogue.json (the constants of its architecture, context and memory need
stand beside them and are changed by hand if they change), its greedy answer into assets/selftest.json. Needs Tern to
be installed: .venv/bin/python packaging/pin_starter.py
"""

import hashlib
import json
import re
from dataclasses import asdict, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STARTER = ROOT / "assets" / "starter"
CATALOGUE = ROOT / "core" / "models" / "catalogue.json"
GOLDEN = ROOT / "assets" / "selftest.json"
QUESTION = "What is Tern?"
MAX_TOKENS = 32


def main() -> None:
    """Rewrite the lines of the starter's files; those of SHA256SUMS, with what they hold now."""
    lines = []
    for line in (STARTER / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
        name = line.split()[1]
        data = (STARTER / name).read_bytes()
        entry = {"name": name, "n_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        lines.append(f"        {json.dumps(entry)}")
    text = CATALOGUE.read_text(encoding="utf-8")
    pattern = re.compile(r'("name": "starter",.*?"files": \[\n).*?(\n      \],)', re.DOTALL)
    CATALOGUE.write_text(pattern.sub(lambda match: match[1] + ",\n".join(lines) + match[2], text, count=1), "utf-8")
    pin_answer()


def pin_answer() -> None:
    """Write what the starter model answers when it always takes the likeliest token."""
    from app.wiring import open_model
    from core.events import CancelToken
    from core.inference.golden import Golden, ask_greedily
    from core.settings import Settings

    settings = Settings()
    asked = Golden(settings.text("system_prompt"), QUESTION, MAX_TOKENS, "", ())
    engine = open_model(STARTER, settings, CancelToken(), lambda _event: None)
    try:
        answer = ask_greedily(engine, asked)
    finally:
        engine.close()
    golden = replace(asked, text=answer.text, token_ids=answer.token_ids)
    GOLDEN.write_text(json.dumps(asdict(golden), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
