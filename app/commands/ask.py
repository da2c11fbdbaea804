"""`tern ask`: one prompt, one answer, nothing kept."""

import argparse
import json
from typing import TYPE_CHECKING

from app import wiring
from app.commands import standard_input
from app.commands.answer import Answer
from app.commands.documents import AskedDocuments, read_documents
from app.commands.interrupts import interrupts_cancel
from app.commands.opening import effective_settings, model_directory, open_engine
from app.commands.output import Output
from app.commands.problems import EXIT_INTERRUPTED, EXIT_OK
from core.errors import AppError, ErrorCode
from core.events import CancelToken, Interrupted, StopReason
from core.paths import AppPaths
from core.settings import Settings, sampling_params

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.inference.choices import Choice
    from core.inference.config import TokenId
    from core.inference.engine import Engine, Generation
    from core.inference.sampling import SamplingParams


def run(arguments: argparse.Namespace, paths: AppPaths, out: Output) -> int:
    """Answer the prompt of the command line.

    Raises:
        AppError, UsageError: the prompt or the model cannot be used.
    """
    settings = effective_settings(arguments, paths, out)
    prompt = standard_input.read_all() if arguments.prompt == "-" else arguments.prompt
    if not prompt.strip():
        raise AppError(ErrorCode.PROMPT_EMPTY)
    opened = wiring.open_documents(paths) if arguments.docs else None
    try:
        return _answer(arguments, paths, settings, prompt, opened, out)
    finally:
        if opened is not None:
            opened.close()


def _answer(
    arguments: argparse.Namespace,
    paths: AppPaths,
    settings: Settings,
    prompt: str,
    opened: wiring.Documents | None,
    out: Output,
) -> int:
    from core.answers import suited

    collections = [] if opened is None else [opened.collections.find(name).id for name in arguments.docs]
    cancel = CancelToken()
    with interrupts_cancel(cancel):
        try:
            own = read_documents(arguments.document, wiring.build_extractor(paths), cancel)
        except Interrupted:
            return EXIT_INTERRUPTED
    documents = AskedDocuments(own, opened, collections)
    directory = model_directory(arguments, paths, settings)
    params = sampling_params(settings)
    answer = Answer(out, cancel, shows_text=not arguments.json)
    choices: list[Choice] = []
    with interrupts_cancel(cancel):
        engine = open_engine(directory, settings, cancel, out)
        try:
            if arguments.raw:
                ids: Sequence[TokenId] = engine.tokenizer.encode_rendered(prompt)
            else:
                params = suited(params, engine)
                ids = _chat_ids(engine, prompt, settings.text("system_prompt"), params, documents, cancel)
                choices = documents.choices(prompt, engine, settings.text("document_answers"))
                if not arguments.json:
                    documents.tell_passages(out)
            generation = engine.generate(ids, params, cancel, answer.on_event, choices)
        finally:
            engine.close()
    if arguments.json:
        out.line(json.dumps(_as_json(generation, engine.name) | documents.as_json(generation.text)))
    answer.finish(generation.reason)
    if not arguments.json:
        documents.tell_citations(generation.text, out)
    out.check_open()
    return EXIT_INTERRUPTED if generation.reason is StopReason.CANCELLED else EXIT_OK


def _chat_ids(
    engine: "Engine",
    prompt: str,
    system: str,
    params: "SamplingParams",
    documents: AskedDocuments,
    cancel: CancelToken,
) -> "Sequence[TokenId]":
    from core.inference.prompt import Role, Turn, build_prompt, reply_reserve

    reserve = reply_reserve(engine.context_length, params.max_tokens)
    asked = documents.as_read(prompt, engine, reserve, cancel)
    turns = [Turn(Role.SYSTEM, system), Turn(Role.USER, asked)]
    return build_prompt(turns, engine.tokenizer, context_length=engine.context_length, reserve=reserve).ids


def _as_json(generation: "Generation", model: str) -> dict[str, object]:
    return {
        "text": generation.text,
        "token_ids": list(generation.token_ids),
        "prompt_token_ids": list(generation.prompt_ids),
        "prefill_tokens_per_s": generation.stats.prefill_tokens_per_s,
        "decode_tokens_per_s": generation.stats.decode_tokens_per_s,
        "stop_reason": generation.reason.value,
        "seed": generation.stats.seed,
        "model": model,
    }
