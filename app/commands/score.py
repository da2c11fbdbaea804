"""`tern score`: the logits of given tokens as a .npy file, for parity and perplexity."""

import argparse
import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.commands.interrupts import interrupts_cancel
from app.commands.opening import loading
from app.commands.options import token_ids
from app.commands.output import Output
from app.commands.problems import EXIT_OK
from core.errors import AppError, ErrorCode
from core.events import CancelToken
from core.paths import AppPaths

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.inference.config import TokenId

_ROOM = 15  # the cache holds whole blocks of 16 positions and is rounded down to them


def run(arguments: argparse.Namespace, _paths: AppPaths, out: Output) -> int:
    """Score the tokens of the command line and write the file.

    Raises:
        AppError: the model, the tokens or the file cannot be used.
        KeyboardInterrupt: Ctrl-C; the file is then as it was.
    """
    path = _checked_target(arguments.out)
    ids = _ids(arguments)
    if not ids:
        raise AppError(ErrorCode.PROMPT_EMPTY)
    logits = _score(arguments, ids, out)
    _save(path, logits)
    out.line(f"{arguments.out}: float32 {logits.shape[0]} x {logits.shape[1]}")
    return EXIT_OK


def _ids(arguments: argparse.Namespace) -> "Sequence[TokenId]":
    from core.inference.config import TokenId
    from core.inference.formats import read_tokenizer

    if arguments.ids is not None:
        return [TokenId(number) for number in token_ids(arguments.ids)]
    tokenizer = read_tokenizer(arguments.model)
    text = tokenizer.encode_text(arguments.text)
    return [*tokenizer.prefix_ids, *text] if text else []


def _score(arguments: argparse.Namespace, ids: "Sequence[TokenId]", out: Output) -> "NDArray[np.float32]":
    from core.inference.kv_cache import kv_precision
    from core.inference.model import Interrupted, load_model, score_ids

    cancel = CancelToken()
    with interrupts_cancel(cancel):
        try:
            model = load_model(
                arguments.model,
                context_length=len(ids) + _ROOM,
                n_threads=arguments.threads,
                kv=kv_precision(arguments.kv_precision),
                cancel=cancel,
                emit=loading(arguments.model.name, out),
            )
            out.wipe_status()
            cancel.on_cancel(model.interrupt)
            return score_ids(model, ids, arguments.chunk)
        except Interrupted:
            raise KeyboardInterrupt from None


def _checked_target(path: Path) -> Path:
    """Return where to write, refusing early what would only fail after the work."""
    try:
        target = path.resolve()
        if target.is_symlink():  # where it still is one, the links go round in a circle
            raise AppError(ErrorCode.OUTPUT_UNWRITABLE, path=path, reason="it is a loop of links")
        if target.exists() and not target.is_file():
            raise AppError(ErrorCode.OUTPUT_UNWRITABLE, path=path, reason="it is not an ordinary file")
        if not target.parent.is_dir():
            raise AppError(ErrorCode.OUTPUT_UNWRITABLE, path=path, reason="its directory does not exist")
    except (OSError, ValueError, RuntimeError) as exc:  # a name that is too long, a loop of links
        raise _unwritable(path, exc) from exc
    return target


def _save(path: Path, logits: "NDArray[np.float32]") -> None:
    """Put the file there in one step: a reader sees the old one or the whole new one."""
    import numpy as np

    temporary = path.with_name(f".{path.name[:100]}.{os.getpid()}.tmp")
    try:
        try:
            with temporary.open("wb") as file:
                np.save(file, logits, allow_pickle=False)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
    except OSError as exc:
        raise _unwritable(path, exc) from exc


def _unwritable(path: Path, error: Exception) -> AppError:
    reason = getattr(error, "strerror", None) or type(error).__name__
    return AppError(ErrorCode.OUTPUT_UNWRITABLE, path=path, reason=reason)
