"""`tern chat`: a conversation in the terminal, by keyboard or through a pipe.

Knows the commands that begin with a slash and what Ctrl-C means where; how answers come about and are kept is core's.
"""

import argparse
import importlib
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.commands import standard_input
from app.commands.answer import Answer
from app.commands.conversations import Conversation, SavedConversation, UnsavedConversation
from app.commands.interrupts import interrupts_cancel
from app.commands.opening import effective_settings, model_directory, open_engine
from app.commands.output import Output
from app.commands.problems import EXIT_BAD_INPUT, EXIT_INTERRUPTED, EXIT_OK, UsageError
from app.notices import one_line
from core.errors import AppError, ErrorCode
from core.events import CancelToken, StopReason
from core.paths import AppPaths
from core.settings import Settings, sampling_params

if TYPE_CHECKING:
    from core.inference.engine import Engine

PROMPT: Final = "> "
SAMPLE_QUESTION: Final = "What can Tern do?"
SAMPLE_END: Final = 'To go on: tern chat in a terminal, tern ask "YOUR QUESTION" anywhere, tern --help for more.'
HELP: Final = """\
/new           begin a new conversation
/system TEXT   tell the model something first, from the next answer on; without TEXT: show it
/help          this list
/quit          leave (also Ctrl-D)
A line that ends in \\ goes on in the next one. Put a space before a message that begins with a slash.
Ctrl-C stops an answer; a second one leaves."""


def run(arguments: argparse.Namespace, paths: AppPaths, out: Output) -> int:
    """Chat until the input ends.

    Raises:
        AppError, UsageError: the model or the data directory cannot be used.
        KeyboardInterrupt: a second Ctrl-C.
    """
    settings = effective_settings(arguments, paths, out)
    with ExitStack() as stack:
        model = LazyEngine(arguments, paths, settings, out)
        stack.callback(model.close)
        conversation = _conversation(arguments, paths, model, settings, out, stack)
        lines = Lines(out)
        if lines.is_interactive:
            model.get()
            saved = "not saved" if arguments.no_history else "saved"
            out.line(f"{model.directory.name}, {saved}. /help lists the commands, Ctrl-D leaves.")
        chat = _Chat(conversation, settings.text("system_prompt"), lines, out)
        code = chat.run()
        if chat.n_messages == 0 and not lines.is_interactive and getattr(arguments, "shows_sample", False):
            sample = UnsavedConversation(model.get, sampling_params(settings))
            return _Chat(sample, settings.text("system_prompt"), lines, out).show_sample()
        return code


class LazyEngine:
    """The engine, loaded when it is first needed."""

    def __init__(self, arguments: argparse.Namespace, paths: AppPaths, settings: Settings, out: Output) -> None:
        self.directory: Path = model_directory(arguments, paths, settings)
        self._settings = settings
        self._out = out
        self._engine: Engine | None = None

    def get(self) -> "Engine":
        """Return the engine.

        Raises:
            AppError: the model cannot be used.
        """
        if self._engine is None:
            cancel = CancelToken()
            with interrupts_cancel(cancel):
                self._engine = open_engine(self.directory, self._settings, cancel, self._out)
        return self._engine

    def close(self) -> None:
        """Free the model, if it was loaded."""
        if self._engine is not None:
            self._engine.close()


def _conversation(
    arguments: argparse.Namespace,
    paths: AppPaths,
    model: LazyEngine,
    settings: Settings,
    out: Output,
    stack: ExitStack,
) -> Conversation:
    if arguments.no_history:
        return UnsavedConversation(model.get, sampling_params(settings))
    try:
        saved = SavedConversation(paths, model.get, settings)
    except AppError as error:
        if error.code is ErrorCode.ALREADY_RUNNING:
            raise UsageError(f"{one_line(error)} Or chat without saving: tern chat --no-history") from error
        raise
    stack.callback(saved.close)
    if saved.recovered_from is not None:
        out.note(f"The history was damaged; what could be read is back, and the old file is {saved.recovered_from}.")
    return saved


class Lines:
    """The messages that come in, one after the other."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self.is_interactive = standard_input.is_terminal() and out.is_terminal
        if self.is_interactive:
            # Line editing. Never in a pipe: some versions write escape sequences there as soon as they are loaded.
            with suppress(ImportError):
                importlib.import_module("readline")

    def next(self) -> str | None:
        """Return the next message, None at the end.

        Raises:
            KeyboardInterrupt: Ctrl-C at the prompt.
            UsageError: piped input is no text.
        """
        if not self.is_interactive:
            return standard_input.read_line()
        try:
            text = input(PROMPT)
            while text.endswith("\\"):
                text = text[:-1] + "\n" + input(". ")
        except EOFError:
            self._out.line()
            return None
        return text


class _Chat:
    """The loop of messages and answers."""

    def __init__(self, conversation: Conversation, system: str, lines: Lines, out: Output) -> None:
        self._conversation = conversation
        self._system = system
        self._lines = lines
        self._out = out
        self.n_messages = 0
        self._n_interrupts = 0  # in a row
        self._has_failed = False

    def run(self) -> int:
        """Go on until the input ends or the person leaves; returns the exit code."""
        while True:
            try:
                text = self._lines.next()
            except KeyboardInterrupt:
                if self._leaves():
                    return EXIT_INTERRUPTED
                continue
            if text is None or (text.startswith("/") and not self._obey(text)):
                return EXIT_BAD_INPUT if self._has_failed and not self._lines.is_interactive else EXIT_OK
            if text.strip() and not text.startswith("/"):
                self._n_interrupts = 0
                self.n_messages += 1
                reason = self._answer(text)
                self._out.check_open()
                if reason is StopReason.CANCELLED:
                    self._n_interrupts = 1
                    if not self._lines.is_interactive:
                        return EXIT_INTERRUPTED

    def show_sample(self) -> int:
        """Answer one question of our own, for a person who is not at a terminal, and say how to go on."""
        self._out.line(PROMPT + SAMPLE_QUESTION)
        reason = self._answer(SAMPLE_QUESTION)
        if reason is StopReason.CANCELLED:
            return EXIT_INTERRUPTED
        self._out.line(SAMPLE_END)
        return EXIT_BAD_INPUT if self._has_failed else EXIT_OK

    def _leaves(self) -> bool:
        """True when Ctrl-C at the prompt is the second in a row; else say what a second one does."""
        self._out.line()
        self._n_interrupts += 1
        if self._n_interrupts > 1 or not self._lines.is_interactive:
            return True
        self._out.note("Ctrl-C again or Ctrl-D leaves.")
        return False

    def _answer(self, text: str) -> StopReason | None:
        """Show the answer to `text`; returns why it ended, None for an error that was told."""
        cancel = CancelToken()
        answer = Answer(self._out, cancel)
        reason: StopReason | None = None
        try:
            with interrupts_cancel(cancel):
                reason = self._conversation.reply(text, self._system, cancel, answer.on_event)
        except AppError as error:
            answer.finish(None)
            self._out.note(f"tern: {one_line(error)}")
            self._has_failed = True
            return None
        answer.finish(reason)
        return reason

    def _obey(self, text: str) -> bool:
        """Carry out a command; False when it is to leave."""
        command, _, rest = text.partition(" ")
        match command.strip():
            case "/quit" | "/exit":
                return False
            case "/new":
                self._conversation.new()
                self._out.note("A new conversation.")
            case "/system":
                self._system = rest.strip() or self._system
                self._out.note(f"The model is told first: {self._system or '(nothing)'}")
            case "/help":
                for line in HELP.splitlines():
                    self._out.line(line)
            case unknown:
                self._out.note(f"There is no command {unknown[:40]}; /help lists them.")
        return True
