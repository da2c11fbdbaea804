"""The real window on a directory of its own, with an engine whose every word is released by the test."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from app.window import Session
from core.events import CancelToken, Emit, PromptProgress, ReplyStats, StopReason, TextDelta
from core.inference.config import load_config
from core.inference.outlook import Outlook, make_outlook
from core.inference.tokenizer import Tokenizer
from core.models.installed import InstalledModel
from core.paths import AppPaths

MODEL_DIR = Path(__file__).resolve().parent.parent / "fixtures" / "tied-h256" / "hf-packed"
MANY = 100_000


class FakeGeneration:
    def __init__(self, text: str, prompt_ids: Sequence[int], reason: StopReason, stats: ReplyStats) -> None:
        self.text = text
        self.token_ids: tuple[int, ...] = ()
        self.prompt_ids = prompt_ids
        self.reason = reason
        self.stats = stats


class FakeEngine:
    """Says `words`; a paced one waits for release() before each. Stops at once when cancelled."""

    def __init__(self, words: Sequence[str] = ("Hello ", "from ", "the ", "fake."), *, is_paced: bool = False) -> None:
        self.name = "fake"
        self.is_small = False
        self.context_length = 512
        self.tokenizer = Tokenizer.from_directory(MODEL_DIR, load_config(MODEL_DIR))
        self.words = words
        self.reason = StopReason.STOP_TOKEN
        self.error: Exception | None = None
        self.is_closed = False
        self.prompts: list[tuple[int, ...]] = []
        self._gate = threading.Semaphore(0)
        self._is_paced = is_paced
        self.n_begun_words = 0  # of an answer that is continued

    def release(self, n_words: int = 1) -> None:
        self._gate.release(n_words)

    def generate(
        self,
        prompt_ids: Sequence[int],
        params: object,
        cancel: CancelToken,
        emit: Emit,
        choices: object = (),
        begun: Sequence[int] = (),
    ) -> FakeGeneration:
        self.prompts.append(tuple(prompt_ids))
        cancel.on_cancel(lambda: self._gate.release(MANY))
        emit(PromptProgress(len(prompt_ids), len(prompt_ids)))
        n_begun = self.n_begun_words if begun else 0
        said: list[str] = list(self.words[:n_begun])
        reason = self.reason
        for word in self.words[n_begun:]:
            if self._is_paced:
                self._gate.acquire()
            if cancel.is_cancelled:
                reason = StopReason.CANCELLED
                break
            said.append(word)
            emit(TextDelta(word))
        if self.error is not None:
            raise self.error
        return FakeGeneration(
            "".join(said), prompt_ids, reason, ReplyStats(len(prompt_ids), 0, len(said), 0.01, 0.1, 0)
        )

    def outlook(self) -> Outlook:
        ids = tuple(self.tokenizer.encode_text("The tide"))
        return make_outlook(self.tokenizer, ids, np.linspace(0, 4, self.tokenizer.vocab_size, dtype=np.float32))

    def set_threads(self, n_threads: int | None) -> None:
        self.n_threads = n_threads

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def make_engine() -> type[FakeEngine]:
    return FakeEngine


@pytest.fixture
def app_paths(tmp_path: Path) -> AppPaths:
    paths = AppPaths(tmp_path / "data")
    paths.create()
    return paths


@pytest.fixture
def open_window(qtbot, app_paths: AppPaths, monkeypatch) -> Iterator[Callable[..., Session]]:
    """Return what opens a window on the test's data directory; whatever is still open is ended."""
    opened: list[Session] = []

    def open_one(engine: FakeEngine | Exception | None = None, *, models: Sequence[InstalledModel] = ()) -> Session:
        found = tuple(models) or ((InstalledModel("fake", MODEL_DIR, is_starter=False),) if engine else ())
        monkeypatch.setattr("app.wiring.all_models", lambda _paths, _settings: found)

        def load(_path: Path, _settings: object, _cancel: CancelToken, _emit: Emit) -> FakeEngine:
            if isinstance(engine, Exception):
                raise engine
            assert engine is not None
            return engine

        session = Session(app_paths, load_model=load)
        opened.append(session)
        session.start()
        qtbot.waitExposed(session.window)
        qtbot.waitUntil(lambda: session.window.services is not None and session.runner.is_idle)
        return session

    def close(session: Session) -> bool:
        opened.remove(session)
        session.window.desktop.stop_asking()
        session.window.close()
        ended = session.end()
        session.window.deleteLater()
        return ended

    open_one.close = close  # type: ignore[attr-defined]
    yield open_one
    for session in list(opened):
        close(session)
