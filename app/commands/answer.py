"""Shows an answer in the terminal while it comes, and why it ended."""

from app import notices
from app.commands.output import Output
from core.events import CancelToken, HistoryTrimmed, PromptProgress, StopReason, TextDelta


class Answer:
    """One answer on its way to the terminal; with `shows_text` off only progress is shown."""

    def __init__(self, out: Output, cancel: CancelToken, *, shows_text: bool = True) -> None:
        self._out = out
        self._cancel = cancel
        self._shows_text = shows_text
        self._last = ""

    def on_event(self, event: object) -> None:
        """Show one event; when nobody reads any more the answer is cancelled."""
        if isinstance(event, PromptProgress) and event.done_tokens < event.total_tokens:
            self._out.status(f"Reading: {100 * event.done_tokens // event.total_tokens} %")
        elif isinstance(event, HistoryTrimmed):
            self._out.note(notices.trimmed(event.turns_dropped))
        elif isinstance(event, TextDelta) and event.text and self._shows_text:
            self._out.write(event.text)
            self._last = event.text[-1]
            if self._out.is_closed:
                self._cancel.cancel()

    def finish(self, reason: StopReason | None) -> None:
        """End the last line, and say why the answer ended unless it ended by itself; None: an error ended it."""
        if self._shows_text and self._last != "\n" and (self._last or reason is not None):
            self._out.line()
        self._out.wipe_status()
        if reason is not None and notices.ending(reason) and not self._out.is_closed:
            self._out.note(notices.ending(reason))
