"""The first run clicked through in a real window, against a hub on this computer that serves a tiny model.

Run it by path; it prints one JSON object with what was seen, and takes pictures with --out:

    python tests/gui/first_run.py --xvfb --out pictures

Every part is a process of its own: `begin` downloads, chats meanwhile, pauses, goes on and is killed; `resume` finds
the download again, finishes it, tries the model and asks a first question; `offline` takes over a folder without a hub.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
for folder in (ROOT, ROOT / "tests" / "support", Path(__file__).parent):
    sys.path.insert(0, str(folder))

MODEL_DIR = ROOT / "tests" / "fixtures" / "tied-h256" / "hf-packed"
FILES = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors")
NAME, TITLE = "tiny", "Tiny model"
LIMIT_S = 60


def write_catalogue(path: Path, repository: str, revision: str, sizes: dict[str, tuple[int, str]]) -> None:
    """Write a catalogue with the starter model and the one that the hub serves."""
    shipped = json.loads((ROOT / "core" / "models" / "catalogue.json").read_text("utf-8"))["models"]
    starter = next(model for model in shipped if model["repository"] is None)
    default = next(model for model in shipped if model["is_default"])
    files = [{"name": name, "n_bytes": size, "sha256": sha256} for name, (size, sha256) in sizes.items()]
    served = default | {"name": NAME, "title": TITLE, "repository": repository, "revision": revision, "files": files}
    served |= {"memory_bytes": 20_000_000, "sentence": "A model with made-up weights, for the tests of Tern."}
    path.write_text(json.dumps({"models": [starter, served]}), "utf-8")


class Walk:
    """One window in this process; every wait has an end."""

    def __init__(self, data: Path, catalogue: Path, hub: str, out: Path | None) -> None:
        from core import offline

        offline.install()
        from core.models import catalogue as shipped

        shipped.CATALOGUE_FILE = catalogue
        from app.window import Session, make_application
        from core.paths import AppPaths
        from core.settings import Settings
        from core.start_guard import StartGuard

        self.app = make_application(["tern"])
        self.paths = AppPaths(data)
        self.paths.create()
        if not self.paths.settings.exists():
            Settings().with_value("hub_address", hub).with_value("theme", "light").with_value("max_tokens", 24).save(
                self.paths.settings
            )
        self.out = out
        self.seen: dict[str, object] = {}
        guard = StartGuard(data)
        guard.begin()
        self.session = Session(self.paths, guard=guard, greets=True)
        self.session.start()
        self.window = self.session.window
        self.models = self.window.model_part.presenter
        self.wait(lambda: self.models.is_pane_shown, "the three steps")

    def wait(self, fact: Callable[[], object], what: str, seconds: float = LIMIT_S) -> None:
        from PySide6.QtTest import QTest

        end = time.monotonic() + seconds
        while not fact():
            if time.monotonic() > end:
                shown = (self.window.status.text(), self.models.pane.verdict.text(), self.models.pane.tried.text())
                raise SystemExit(
                    f"waited too long for: {what}; seen: {self.seen}; {shown}; {self.models.downloads.view}"
                )
            QTest.qWait(10)

    def click(self, button: object) -> None:
        from PySide6.QtCore import Qt
        from PySide6.QtTest import QTest
        from PySide6.QtWidgets import QAbstractButton

        assert isinstance(button, QAbstractButton)
        if not (button.isVisible() and button.isEnabled()):
            raise SystemExit(f"cannot be clicked: {button.text()!r}")
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)

    def picture(self, name: str, window: object = None) -> None:
        if self.out is None:
            return
        from PySide6.QtTest import QTest

        from app.theme import Scheme

        shown = window or self.window
        for scheme in (Scheme.DARK, Scheme.LIGHT):
            self.session.theme.set_scheme(scheme)
            self.wait(lambda: self.session.theme.is_settled, "the look")
            QTest.qWait(150)
            path = str(self.out / f"{name}-{scheme.value}.png")
            if self.app.platformName() == "xcb":
                shown.screen().grabWindow(shown.winId()).save(path)  # type: ignore[attr-defined]
            else:
                shown.grab().save(path)  # type: ignore[attr-defined]

    def ask(self, text: str) -> str:
        from PySide6.QtCore import Qt
        from PySide6.QtTest import QTest

        field = self.window.pane.composer.text
        QTest.keyClicks(field, text)
        QTest.keyClick(field, Qt.Key.Key_Return)
        self.wait(lambda: self.window.chat.is_busy, "an answer to begin")
        self.wait(lambda: not self.window.chat.is_busy, "an answer")
        return self.window.chat.last_answer()

    def end(self) -> None:
        self.window.close()
        if not self.session.end():
            raise SystemExit("a thread did not end in time")
        self.seen["marker_left"] = (self.paths.data / "starting.json").exists()
        print(json.dumps(self.seen))  # noqa: T201

    def begin(self) -> None:
        """Download with a pause, chat meanwhile, and be killed."""
        from app.models.downloads import Phase
        from core.models.download_messages import Timing

        pane, downloads = self.models.pane, self.models.downloads
        self.wait(lambda: "words a second" in pane.verdict.text(), "the measurement")
        self.seen["verdict"] = pane.verdict.text()
        self.wait(lambda: self.window.models.state.is_ready, "the starter model")
        self.picture("1-first-start")
        downloads.timing = Timing(stall_s=10 * LIMIT_S)  # the hub is silent until all is done that is done meanwhile
        self.click(pane.download)
        self.wait(lambda: downloads.view.done_bytes > 0, "the first bytes")
        self.picture("2-downloading")
        self.seen["answer_meanwhile"] = self.ask("What can Tern do?")
        self.picture("3-chat-meanwhile")
        self.click(self.window.status.download)
        self.wait(lambda: self.models.is_pane_shown, "the three steps again")
        self.click(pane.progress.pause)
        self.wait(lambda: downloads.view.phase is Phase.PAUSED, "the pause")
        self.seen["paused_at"] = downloads.view.done_bytes
        self.picture("4-paused")
        self.click(pane.progress.resume)
        self.wait(lambda: downloads.view.done_bytes > self.seen["paused_at"], "more bytes")
        self.wait(lambda: downloads.view.sentence == "", "more bytes")
        self.seen["resumed_at"] = downloads.view.done_bytes
        print(json.dumps(self.seen), flush=True)  # noqa: T201
        os.kill(os.getpid(), signal.SIGKILL)

    def resume(self) -> None:
        """Go on with it, try the model, ask the first question, look at the proof."""
        from app.models.downloads import Phase
        from core.specs import Page

        pane, downloads = self.models.pane, self.models.downloads
        self.wait(lambda: downloads.view.phase is Phase.PAUSED, "the offer to go on")
        self.seen["offered_at"] = downloads.view.done_bytes
        self.picture("5-after-a-crash")
        self.click(pane.progress.resume)
        self.wait(lambda: pane.examples[0].isVisible(), "the model to be tried")
        self.seen["tried"] = pane.tried.text()
        self.seen["model"] = self.window.models.state.model.name
        self.picture("6-tried")
        self.click(pane.examples[0])
        self.wait(lambda: self.window.chat.is_busy, "the first answer to begin")
        self.wait(lambda: not self.window.chat.is_busy, "the first answer")
        self.seen["first_answer"] = self.window.chat.last_answer()
        self.picture("7-first-answer")
        self.seen["status"] = self.window.status.text()
        self.click(self.window.status.padlock)
        preferences = self.window.preferences.window
        self.wait(lambda: preferences.page is Page.PRIVACY, "the page behind the padlock")
        facts = self.window.model_part.network.facts
        self.click(facts.test)
        self.wait(lambda: facts.tested.text(), "the self-test")
        self.seen["self_test"] = facts.tested.text()
        self.seen["hosts"] = facts.hosts.text()
        self.picture("8-privacy", preferences)
        preferences.show_page(Page.NETWORK)
        self.picture("9-network", preferences)
        self.window.on_models()
        manager = self.models.window
        self.wait(lambda: NAME in manager.kept, "the list of models")
        self.click(manager.kept[NAME].verify)
        self.wait(lambda: "intact" in manager.result.text(), "the check")
        self.seen["verified"] = manager.result.text()
        self.picture("10-models", manager)
        self.end()

    def offline(self) -> None:
        """Take over a folder, as carried here on a stick."""
        pane = self.models.pane
        self.click(pane.no_internet)
        self.seen["list"] = pane.offline.text.toPlainText()
        self.picture("11-no-internet")
        self.models._take(MODEL_DIR)
        self.wait(lambda: pane.examples[0].isVisible(), "the model to be tried")
        self.seen["tried"] = pane.tried.text()
        self.picture("12-taken-over")
        self.seen["status"] = self.window.status.text()
        self.seen["answer"] = self.ask("Hello, who are you?")
        self.end()


def drive(out: Path | None) -> dict[str, object]:
    """Run the three parts; returns what each has seen."""
    from fake_hub import Fault, running_hub

    served = {name: (MODEL_DIR / name).read_bytes() for name in FILES}
    n_weights = len(served["model.safetensors"])
    found: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as directory, running_hub(served) as hub:
        data, catalogue = Path(directory) / "data", Path(directory) / "catalogue.json"
        sizes = {name: (len(content), hub.sha256(name)) for name, content in served.items()}
        write_catalogue(catalogue, hub.repository, hub.revision, sizes)
        # Silent in the middle of the weights, so that there is time for all that is done meanwhile.
        hub.faults.extend([Fault()] * (len(FILES) - 1) + [Fault(stall_at=n_weights // 2)])
        hub.faults.append(Fault(stall_at=n_weights * 3 // 4))
        found["begin"] = _part("begin", data, catalogue, hub.url, out)
        hub.released.set()  # the child that the killed window has left behind notices that nobody listens
        found["resume"] = _part("resume", data, catalogue, hub.url, out)
        found["starts"] = hub.starts("model.safetensors")
        found["n_weights"] = n_weights
        found["offline"] = _part("offline", Path(directory) / "other", catalogue, "", out)
    return found


def _part(part: str, data: Path, catalogue: Path, hub: str, out: Path | None) -> dict[str, object]:
    command = [sys.executable, __file__, "--part", part, "--data", str(data), "--catalogue", str(catalogue)]
    command += ["--hub", hub, *([] if out is None else ["--out", str(out)])]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=4 * LIMIT_S, check=False)
    lines = done.stdout.strip().splitlines()
    if not lines:
        raise SystemExit(f"{part}: {done.returncode}: {done.stderr[-3000:]}")
    seen = json.loads(lines[-1])
    assert isinstance(seen, dict)
    return {**seen, "code": done.returncode, "warnings": done.stderr[-2000:]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="take pictures into this directory")
    parser.add_argument("--xvfb", action="store_true", help="start a virtual screen instead of drawing offscreen")
    parser.add_argument("--part", choices=("begin", "resume", "offline"))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--catalogue", type=Path)
    parser.add_argument("--hub", default="")
    options = parser.parse_args()
    if options.part is not None:
        getattr(Walk(options.data, options.catalogue, options.hub, options.out), options.part)()
        return 0
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
    if options.xvfb and shutil.which("Xvfb"):
        from tour import virtual_screen

        with virtual_screen():
            found = drive(options.out)
    else:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        found = drive(options.out)
    print(json.dumps(found, indent=1, ensure_ascii=False))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
