"""`tern inspect`: what a model directory or a .gguf file holds and whether it may be loaded."""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.commands.interrupts import interrupts_cancel
from app.commands.opening import loading
from app.commands.output import Output
from app.commands.problems import EXIT_OK
from app.notices import bytes_in_words, one_line
from core.errors import AppError
from core.events import CancelToken
from core.paths import AppPaths

if TYPE_CHECKING:
    from core.inference.config import ModelConfig
    from core.inference.embedding_config import EmbeddingConfig
    from core.inference.inspect import ModelReport


def run(arguments: argparse.Namespace, _paths: AppPaths, out: Output) -> int:
    """Report on the model of the command line.

    Raises:
        AppError: why the model must not be loaded, after the report was written.
        KeyboardInterrupt: Ctrl-C.
    """
    report = examine(arguments.path, out)
    if arguments.json:
        out.line(json.dumps(_as_json(report), indent=2))
    else:
        _write(report, out)
    out.check_open()
    if report.error is not None:
        raise report.error
    return EXIT_OK


def examine(path: Path, out: Output) -> "ModelReport":
    """Read every value of the model at `path` and try its vocabulary, showing how far it is.

    Raises:
        KeyboardInterrupt: Ctrl-C.
    """
    from core.inference.inspect import inspect_model
    from core.inference.model import Interrupted

    cancel = CancelToken()
    with interrupts_cancel(cancel):
        try:
            report = inspect_model(path, deep=True, cancel=cancel, emit=loading(path.name, out, verb="Checking"))
        except Interrupted:
            raise KeyboardInterrupt from None
    out.wipe_status()
    return _with_tokenizer(report)


def _with_tokenizer(report: "ModelReport") -> "ModelReport":
    """Return `report` with the vocabulary tried out, where there is one."""
    from core.inference.formats import read_tokenizer
    from core.inference.inspect import Check

    if report.config is None or not report.has_tokenizer:
        return report
    try:
        tokenizer = read_tokenizer(report.path)
    except AppError as error:
        checks = (*report.checks, Check("vocabulary", False, str(error)))
        return replace(report, checks=checks, error=report.error or error)
    detail = f"encodes and decodes text, chat template {tokenizer.template.value}"
    return replace(report, checks=(*report.checks, Check("vocabulary", True, detail)))


def _write(report: "ModelReport", out: Output) -> None:
    rows = [("model", str(report.path))]
    if report.config is not None or report.embedding is not None:
        rows += _rows_of_embedding(report.embedding) if report.embedding is not None else []
        rows += _rows_of_config(report.config) if report.config is not None else []
        rows += [
            ("parameters", f"{report.n_parameters:,}"),
            ("format", report.format),
            ("files", f"{', '.join(report.files) or 'none'} ({bytes_in_words(report.file_bytes)})"),
            ("memory", f"about {bytes_in_words(report.memory_bytes)} {_with_what(report)}"),
            ("tokenizer", _tokenizer(report)),
        ]
    for name, value in rows:
        out.line(f"{name:<13}{' '.join(value.split())}")
    for check in report.checks:
        detail = f": {' '.join(check.detail.split())}" if check.ok else ""
        out.line(f"{'check':<13}{'ok    ' if check.ok else 'FAILED'} {check.name}{detail}")
    if report.error is None:
        searches = report.embedding is not None
        out.line("Tern can search documents with this model." if searches else "Tern can run this model.")


def _with_what(report: "ModelReport") -> str:
    return "with the whole context" if report.embedding is None else "with the longest text"


def _rows_of_embedding(config: "EmbeddingConfig") -> list[tuple[str, str]]:
    heads = f"{config.n_heads} heads of {config.head_dim}"
    window = next((f", windows of {size:,}" for size in config.windows if size), "")
    return [
        ("architecture", f"{config.family}, embedding model (for searching documents, not for answering)"),
        ("layers", f"{config.n_layers} of {config.hidden_size} wide, {config.intermediate_size} inside"),
        ("attention", f"{heads}, {config.n_kv_heads} for keys and values{window}"),
        ("vocabulary", f"{config.vocab_size:,} tokens"),
        ("dimension", f"{config.hidden_size:,} numbers for each text"),
        ("pooling", config.pooling.value.replace("_", " ")),
        ("longest text", f"{config.max_tokens:,} tokens"),
    ]


def _rows_of_config(config: "ModelConfig") -> list[tuple[str, str]]:
    heads = f"{config.num_attention_heads} heads of {config.head_dim}"
    return [
        ("architecture", f"{config.architecture} ({config.hidden_act}, {_sub_norms(config)}, {_head(config)})"),
        ("layers", f"{config.num_hidden_layers} of {config.hidden_size} wide, {config.intermediate_size} inside"),
        ("attention", f"{heads}, {config.num_key_value_heads} for keys and values"),
        ("vocabulary", f"{config.vocab_size:,} tokens"),
        ("context", f"{config.max_position_embeddings:,} tokens"),
    ]


def _tokenizer(report: "ModelReport") -> str:
    if not report.has_tokenizer:
        return "missing"
    return "in the model's file" if report.format.startswith("GGUF") else "tokenizer.json"


def _sub_norms(config: "ModelConfig") -> str:
    return "with sub-norms" if config.has_sub_norms else "without sub-norms"


def _head(config: "ModelConfig") -> str:
    return "tied head" if config.tie_word_embeddings else "own head"


def _as_json(report: "ModelReport") -> dict[str, object]:
    return {
        "path": str(report.path),
        "loadable": report.error is None,
        "reason": None if report.error is None else one_line(report.error),
        "error": None if report.error is None else report.error.code.value,
        "format": report.format,
        "config": None if report.config is None else _config_as_json(report.config),
        "embedding": None if report.embedding is None else _embedding_as_json(report.embedding),
        "parameters": report.n_parameters,
        "files": list(report.files),
        "file_bytes": report.file_bytes,
        "memory_bytes": report.memory_bytes,
        "tokenizer": report.has_tokenizer,
        "checks": [{"name": check.name, "ok": check.ok, "detail": check.detail} for check in report.checks],
    }


def _embedding_as_json(config: "EmbeddingConfig") -> dict[str, object]:
    values = {name: getattr(config, name) for name in config.__slots__}
    return values | {"dimension": config.hidden_size, "pooling": config.pooling.value}


def _config_as_json(config: "ModelConfig") -> dict[str, object]:
    values = {name: getattr(config, name) for name in config.__slots__}
    return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in values.items()}
