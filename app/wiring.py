"""The composition root: the only place that builds services and hands them to those who use them.

Knows every service; must not know Qt, so that the terminal starts without it. Heavy imports (numpy, the tokenizer, the
model) happen inside the functions: they run on a worker thread of the window, or when a command needs them.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from core.events import CancelToken, Emit
from core.library.search import Library
from core.models.installed import InstalledModel, installed_models
from core.paths import AppPaths
from core.presets import ChatOverrides, resolve
from core.settings import Settings, sampling_params
from core.store.chats import ChatId, ChatStore
from core.store.database import Database
from core.store.history import HistoryStore
from core.store.overrides import OverrideStore
from core.store.scopes import ChatScope, ScopeStore

if TYPE_CHECKING:
    from core.budget import Surroundings
    from core.chat import ChatService
    from core.inference.engine import Engine
    from core.inference.memory import MemoryEstimate
    from core.inference.sampling import SamplingParams
    from core.library.extracted import Extracted
    from core.library.extractor import Extractor
    from core.library.index.collections import Collections
    from core.library.index.database import IndexDatabase
    from core.library.index.indexer import Indexer
    from core.library.index.searcher import Searcher

LoadModel = Callable[[Path, Settings, CancelToken, Emit], "Engine"]
Answering = tuple["ChatService", "SamplingParams", str]  # the service, how to sample, the system prompt
STARTER_DIR = Path(__file__).resolve().parent.parent / "assets" / "starter"


@dataclass(frozen=True, slots=True)
class Services:
    """What works on the data of one directory; close() when done."""

    paths: AppPaths
    database: Database
    store: ChatStore
    history: HistoryStore
    n_interrupted: int  # answers that a killed process had left unfinished
    overrides: OverrideStore
    library: Library = field(default_factory=Library)  # only the engine lane uses it
    collections: "LazyDocuments | None" = None

    @property
    def scopes(self) -> ScopeStore:
        """What each conversation answers from."""
        return ScopeStore(self.database)

    def close(self) -> None:
        """Write out and close the databases."""
        if self.collections is not None:
            self.collections.close()
        self.database.close()


def build_services(paths: AppPaths) -> Services:
    """Open the history in `paths`; only the holder of the instance lock may call this.

    Raises:
        AppError: DATA_DIR_UNWRITABLE, DATABASE_*, DISK_FULL.
    """
    paths.create()
    database = Database.open(paths.database)
    try:
        store = ChatStore(database)
        n_interrupted = store.recover()
    except BaseException:
        database.close()
        raise
    return Services(
        paths,
        database,
        store,
        HistoryStore(database),
        n_interrupted,
        OverrideStore(database),
        collections=LazyDocuments(paths),
    )


def build_extractor(paths: AppPaths) -> "Extractor":
    """Return what reads documents, in a child process that starts with the first one; close() when done."""
    from core.library.extractor import Extractor

    return Extractor(paths.quarantine)


def chat_service(services: Services, engine: "Callable[[], Engine]", settings: Settings) -> "ChatService":
    """Return the service that answers with `engine` as the settings say (engine lane)."""
    from core.chat import ChatService, ReadingLimits

    def tuned() -> "Engine":
        ready = engine()
        ready.set_threads(n_threads(settings))
        return ready

    documents = services.collections.get(must_exist=True) if services.collections is not None else None
    reading = ReadingLimits(
        settings.integer("passages_limit"),
        settings.integer("passages_share_percent"),
        settings.text("document_answers"),
    )
    return ChatService(
        services.store,
        tuned,
        library=services.library,
        reading=reading,
        scopes=services.scopes,
        searcher=None if documents is None else documents.searcher,
    )


def answering(
    services: Services,
    engine: "Callable[[], Engine]",
    settings: Settings,
    chat_id: ChatId,
    new_overrides: ChatOverrides | None = None,
    new_scope: ChatScope | None = None,
) -> Answering:
    """Return what an answer in a conversation is made with (engine lane).

    `new_overrides` and `new_scope` are those of a conversation that begins with this very message; they are stored
    first.
    """
    if new_scope is not None:
        services.scopes.set(chat_id, new_scope)
    if new_overrides is not None:
        services.overrides.set(chat_id, new_overrides)
    resolved = resolve(settings, services.overrides.get(chat_id))
    return chat_service(services, engine, resolved), sampling_params(resolved), resolved.text("system_prompt")


def surroundings(
    services: Services,
    settings: Settings,
    chat_id: ChatId | None,
    new_overrides: ChatOverrides | None,
    engine: "Engine",
    *,
    has_documents: bool,
) -> "Surroundings":
    """Return what a draft would be sent with (any thread)."""
    from core.budget import Surroundings
    from core.chat import ReadingLimits, passage_room

    own = new_overrides or ChatOverrides() if chat_id is None else services.overrides.get(chat_id)
    resolved = resolve(settings, own)
    reading = ReadingLimits(resolved.integer("passages_limit"), resolved.integer("passages_share_percent"))
    max_tokens = resolved.integer("max_tokens")
    room = passage_room(engine.context_length, max_tokens, reading) if has_documents else 0
    return Surroundings(engine.name, engine.context_length, max_tokens, resolved.text("system_prompt"), room)


def n_threads(settings: Settings) -> int:
    """Return how many threads answer now: what the settings say, fewer where it is to be quiet."""
    from core.inference.model import default_threads
    from core.power import Profile, is_on_battery, threads_for

    profile = Profile(settings.text("profile"))
    most = settings.optional_integer("threads") or default_threads()
    return threads_for(profile, most, is_on_battery=is_on_battery() if profile is Profile.AUTOMATIC else None)


@dataclass(frozen=True, slots=True)
class Documents:
    """The collections of documents and what works on them; close() when done."""

    database: "IndexDatabase"
    collections: "Collections"
    indexer: "Indexer"  # only the index lane uses it
    searcher: "Searcher"  # the engine lane's
    extractor: "Extractor"
    window_searcher: "Searcher"  # for the search as it is typed

    def close(self) -> None:
        """Close the index and end the extraction child."""
        self.extractor.close()
        self.database.close()


def open_documents(paths: AppPaths) -> Documents:
    """Open the index of the collections; it is made again where it cannot be used as it is.

    Raises:
        AppError: DISK_FULL, DATABASE_LOCKED, DATA_DIR_UNWRITABLE.
    """
    from core.library.extracted import EXTRACTOR_VERSION
    from core.library.extractor import Extractor
    from core.library.index import analysis, chunks
    from core.library.index.collections import Collections
    from core.library.index.database import IndexDatabase
    from core.library.index.indexer import Indexer
    from core.library.index.searcher import Searcher

    versions = {"extractor": str(EXTRACTOR_VERSION), "chunker": chunks.VERSION, "analyser": analysis.VERSION}
    database = IndexDatabase.open(paths.index, versions)
    extractor = Extractor(paths.quarantine)

    def read(path: Path, cancel: CancelToken) -> "Extracted":
        return extractor.extract(path, cancel, lambda event: None)

    return Documents(
        database, Collections(database), Indexer(database, read), Searcher(database), extractor, Searcher(database)
    )


class LazyDocuments:
    """The collections of a window, opened when they are first needed; any thread."""

    def __init__(self, paths: AppPaths) -> None:
        self._paths = paths
        self._documents: Documents | None = None
        self._is_closed = False
        self._lock = threading.Lock()

    def get(self, *, must_exist: bool = False) -> Documents | None:
        """Return them; None after close(), and with `must_exist` where no collection was ever made.

        Raises:
            AppError: as open_documents().
        """
        with self._lock:
            if self._documents is None and not self._is_closed:
                if must_exist and not self._paths.index.exists():
                    return None
                self._documents = open_documents(self._paths)
            return self._documents

    def close(self) -> None:
        """Close them; a second call does nothing."""
        with self._lock:
            self._is_closed = True
            if self._documents is not None:
                self._documents.close()
                self._documents = None


def find_models(paths: AppPaths, settings: Settings) -> tuple[InstalledModel, ...]:
    """Return the models on this computer that can answer, the starter model first."""
    return tuple(model for model in all_models(paths, settings) if not model.is_embedding)


def all_models(paths: AppPaths, settings: Settings) -> tuple[InstalledModel, ...]:
    """Return all models on this computer, those for searching documents as well."""
    extra = settings.text("models_directory")
    starter = STARTER_DIR if (STARTER_DIR / "config.json").is_file() else None
    from core.inference.gguf_kind import is_embedding_gguf

    return installed_models(
        paths.models,
        starter=starter,
        extra=Path(extra) if extra else None,
        is_embedding_file=is_embedding_gguf,
    )


def open_model(directory: Path, settings: Settings, cancel: CancelToken, emit: Emit) -> "Engine":
    """Load the model in `directory` as the settings say.

    Raises:
        AppError: MODEL_*, TOKENIZER_*, OUT_OF_MEMORY, CPU_UNSUPPORTED, KERNELS_UNKNOWN.
    """
    from core.inference.engine import open_engine
    from core.inference.kv_cache import kv_precision

    return open_engine(
        directory,
        context_length=settings.optional_integer("context_length"),
        n_threads=n_threads(settings),
        kernels=None,
        kv=kv_precision(settings.text("kv_precision")),
        cancel=cancel,
        emit=emit,
    )


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a model needs and how many threads answer, under some settings; `memory` is None without a model."""

    memory: "MemoryEstimate | None"
    is_on_battery: bool | None
    n_threads: int


def estimate(path: Path | None, settings: Settings) -> Estimate:
    """Estimate for the model at `path`; None for no model.

    Raises:
        AppError: MODEL_*.
    """
    from core.inference.kv_cache import kv_precision
    from core.inference.memory import estimate_memory
    from core.power import is_on_battery

    context, precision = settings.optional_integer("context_length"), kv_precision(settings.text("kv_precision"))
    memory = None if path is None else estimate_memory(path, context, precision)
    return Estimate(memory, is_on_battery(), n_threads(settings))


def export_all(services: Services, target: Path, cancel: CancelToken) -> int:
    """Write all data into the ZIP file `target`; returns how many conversations.

    Raises:
        AppError: OUTPUT_UNWRITABLE, DATABASE_*.
    """
    from core import own_data

    return own_data.export_all(services.paths, services.database, target, cancel)


def erase(services: Services, *, with_models: bool) -> None:
    """Close the history and delete all data; `services` cannot be used afterwards.

    Raises:
        AppError: DATA_DIR_UNWRITABLE.
    """
    from core import own_data

    services.close()
    own_data.erase(services.paths, with_models=with_models)


def version() -> str:
    """Return the version of Tern, as installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("tern-chat")
    except PackageNotFoundError:
        return "(not installed)"
