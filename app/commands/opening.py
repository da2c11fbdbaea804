"""From the options of a command to settings, a model's directory and an engine.

Knows that options go before settings, and how loading is shown; must not know what is asked of the engine.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app import wiring
from app.commands.output import Output
from app.commands.problems import UsageError
from core.errors import AppError, ErrorCode
from core.events import CancelToken, LoadProgress
from core.models.installed import resolve_model
from core.paths import AppPaths
from core.presets import resolve
from core.settings import Settings

if TYPE_CHECKING:
    from core.inference.engine import Engine

_OPTIONS: Final = (
    "temperature", "top_k", "top_p", "min_p", "repeat_penalty", "seed", "max_tokens", "threads", "kv_precision",
)  # fmt: skip
# The likeliest token, whatever the settings say: nothing may change the order of the logits.
_GREEDY: Final = {"temperature": 0.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repeat_penalty": 1.0}


def effective_settings(arguments: argparse.Namespace, paths: AppPaths, out: Output) -> Settings:
    """Return the stored settings with the options of the command in their place."""
    settings = Settings.load(paths.settings)
    if settings.bad_copy is not None:
        out.note(f"The settings could not be read; they are kept as {settings.bad_copy}. The standard ones are used.")
    if settings.reset_keys:
        out.note(f"Settings that were not valid are back to the standard: {', '.join(settings.reset_keys)}.")
    settings = resolve(settings)
    if arguments.threads is not None:
        settings = settings.with_value("profile", "fast")  # so many and no fewer, also on battery
    given = {key: getattr(arguments, key) for key in _OPTIONS}
    if arguments.greedy:
        given |= _GREEDY
    for key, value in given.items():
        if value is not None:
            settings = settings.with_value(key, value)
    return settings if arguments.system is None else settings.with_value("system_prompt", arguments.system)


def model_directory(arguments: argparse.Namespace, paths: AppPaths, settings: Settings) -> Path:
    """Return the directory of the model that is asked for.

    Raises:
        AppError: MODEL_NOT_FOUND.
        UsageError: there is no model.
    """
    chosen = arguments.model or settings.text("model_path")
    try:
        return resolve_model(chosen, wiring.find_models(paths, settings)).path
    except AppError as error:
        if error.code is ErrorCode.MODEL_NONE_CHOSEN:
            raise UsageError("there is no model to answer with yet; name its directory with --model PATH") from error
        raise


def open_engine(directory: Path, settings: Settings, cancel: CancelToken, out: Output) -> "Engine":
    """Load the model in `directory`, showing how far it is.

    Raises:
        AppError: the model cannot be used.
        KeyboardInterrupt: `cancel` was cancelled meanwhile.
    """
    from core.inference.model import Interrupted

    try:
        return wiring.open_model(directory, settings, cancel, loading(directory.name, out))
    except Interrupted:
        raise KeyboardInterrupt from None
    finally:
        out.wipe_status()


def loading(name: str, out: Output, *, verb: str = "Loading") -> Callable[[object], None]:
    """Return an observer that shows how much of the model `name` has been read."""

    def emit(event: object) -> None:
        if isinstance(event, LoadProgress) and event.total_bytes > 0:
            out.status(f"{verb} {name}: {100 * event.done_bytes // event.total_bytes} %")

    return emit
