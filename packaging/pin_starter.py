"""Puts names, sizes and SHA-256 of the starter model's files into core/models/catalogue.json, after it was made again.

The constants of its architecture, context and memory need stand beside them and are changed by hand if they change.
"""

import hashlib
import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STARTER = ROOT / "assets" / "starter"
CATALOGUE = ROOT / "core" / "models" / "catalogue.json"


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


if __name__ == "__main__":
    main()
