"""Train, export and evaluate the starter model with one command; started again, it continues."""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def step(*arguments: str) -> int:
    """Run one of the programs beside this file."""
    return subprocess.run([sys.executable, str(HERE / arguments[0]), *arguments[1:]], check=False).returncode


def main() -> int:
    """Make the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=HERE / "cache", help="folder of the checkpoint and the log")
    parser.add_argument("--out", type=Path, default=HERE.parent, help="folder of the model")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    if step("train.py", "--out", str(options.run), "--threads", str(options.threads)):
        return 1
    if step("export.py", "--run", str(options.run), "--out", str(options.out)):
        return 1
    shutil.copy(options.run / "log.csv", HERE / "loss.csv")
    shutil.copy(options.run / "loss.png", HERE / "loss.png")
    return step("evaluate.py", "--model", str(options.out), "--threads", str(options.threads))


if __name__ == "__main__":
    raise SystemExit(main())
