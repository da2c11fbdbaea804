"""What a model directory or a .gguf file holds and whether it may be loaded, told without loading it.

Knows the order of the checks; the checks themselves are those of loading (config.py, safetensors.py, weights.py, and
gguf.py, gguf_model.py, gguf_tokenizer.py, and those of embedding models).
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path

from core.errors import AppError, ErrorCode
from core.events import CancelToken, Emit
from core.inference import embedding_weights
from core.inference.config import ModelConfig, load_config
from core.inference.embedding_config import EmbeddingConfig, embedding_config
from core.inference.embedding_tokenizer import embedding_tokenizer
from core.inference.embedding_weights import is_embedding_file
from core.inference.formats import gguf_path
from core.inference.gguf import GgufFile
from core.inference.gguf_model import GgufReader, check_gguf_tensors, format_name, gguf_config
from core.inference.gguf_tokenizer import gguf_tokenizer
from core.inference.safetensors import TensorFiles
from core.inference.weights import (
    TensorReader,
    check_tensors,
    expected_tensors,
    linear_shapes,
    memory_bytes,
    shape_for,
)

TOKENIZER_FILE = "tokenizer.json"
CONTEXT = 4096  # positions that memory_bytes is told for; the default of loading


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `detail` holds facts, no sentence."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class ModelReport:
    """What is known about a model; sizes are 0 and names empty where the files do not tell."""

    path: Path
    format: str  # "safetensors, packed 2-bit", "GGUF, I2_S weights, F16 embedding"
    config: ModelConfig | None  # None when config.json was refused, and for embedding models
    embedding: EmbeddingConfig | None  # of a model for searching documents, None for all others
    n_parameters: int
    files: tuple[str, ...]
    file_bytes: int  # of the tensors
    memory_bytes: int  # packed weights and a full KV cache of the default context
    has_tokenizer: bool
    checks: tuple[Check, ...]
    error: AppError | None  # why it would be refused; None when it may be loaded


def inspect_model(
    path: Path,
    *,
    deep: bool = False,
    cancel: CancelToken | None = None,
    emit: Emit | None = None,
) -> ModelReport:
    """Look at the model at `path` and say what would refuse it.

    Args:
        path: a model directory or a .gguf file; need not exist.
        deep: also read every value: NaN, scales, code 3. Takes as long as loading, with little memory.
        cancel: for deep.
        emit: gets LoadProgress when deep.

    Raises:
        Interrupted: `cancel` was cancelled.
    """
    inspection = _Inspection(path)
    inspection.run(deep=deep, cancel=cancel or CancelToken(), emit=emit or _ignore)
    return inspection.report()


class _Inspection:
    """Runs the checks in order; those that stand on a failed one are left out."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._format = ""
        self._config: ModelConfig | None = None
        self._embedding: EmbeddingConfig | None = None
        self._n_parameters = self._memory_bytes = 0
        self._files: tuple[str, ...] = ()
        self._file_bytes = 0
        self._has_tokenizer = False
        self._checks: list[Check] = []
        self._error: AppError | None = None

    def run(self, *, deep: bool, cancel: CancelToken, emit: Emit) -> None:
        try:
            gguf = gguf_path(self._path)
        except AppError as error:
            self._refuse("files", error)
            return
        if gguf is None:
            self._run_directory(deep, cancel, emit)
        else:
            self._run_gguf(gguf, deep, cancel, emit)

    def _run_directory(self, deep: bool, cancel: CancelToken, emit: Emit) -> None:
        if not self._check("config", self._read_config) or self._config is None:
            return
        config = self._config
        self._format = "safetensors, packed 2-bit" if config.is_packed else "safetensors, bfloat16 masters"
        self._has_tokenizer = self._check("tokenizer", self._find_tokenizer)
        try:
            files = TensorFiles(self._path)
        except AppError as error:
            self._refuse("files", error)
            return
        with files:
            self._files, self._file_bytes = files.files, files.total_bytes
            self._checks.append(Check("files", True, f"{len(files.files)} files, {files.total_bytes} bytes"))
            if self._check("tensors", lambda: _compare(files, config)) and deep:
                self._check("values", lambda: _read_values(TensorReader(files, config, cancel, emit), config))

    def _run_gguf(self, path: Path, deep: bool, cancel: CancelToken, emit: Emit) -> None:
        try:
            file = GgufFile(path)
        except AppError as error:
            self._refuse("files", error)
            return
        with file:
            self._files, self._file_bytes, self._format = (path.name,), file.tensor_bytes, format_name(file)
            self._checks.append(Check("files", True, f"{path.name}, {file.file_bytes} bytes"))
            if is_embedding_file(file):
                self._run_embedding(file, deep, cancel, emit)
                return
            if not self._check("config", lambda: self._gguf_config(file)) or self._config is None:
                return
            config = self._config
            self._has_tokenizer = self._check("tokenizer", lambda: _gguf_vocabulary(file, config))
            if self._check("tensors", lambda: _compare_gguf(file, config)) and deep:
                self._check("values", lambda: _read_gguf_values(GgufReader(file, config, cancel, emit), config))

    def _run_embedding(self, file: GgufFile, deep: bool, cancel: CancelToken, emit: Emit) -> None:
        if not self._check("config", lambda: self._embedding_config(file)) or self._embedding is None:
            return
        config = self._embedding
        self._n_parameters = embedding_weights.count_parameters(config)
        self._memory_bytes = embedding_weights.memory_bytes(file, config)
        self._has_tokenizer = self._check("tokenizer", lambda: _embedding_vocabulary(file, config))
        if self._check("tensors", lambda: _compare_embedding(file, config)) and deep:
            self._check("values", lambda: _read_embedding_values(file, config, cancel, emit))

    def report(self) -> ModelReport:
        config = self._config
        return ModelReport(
            path=self._path,
            format=self._format,
            config=config,
            embedding=self._embedding,
            n_parameters=self._n_parameters if config is None else count_parameters(config),
            files=self._files,
            file_bytes=self._file_bytes,
            memory_bytes=self._memory_bytes if config is None else memory_bytes(config, shape_for(config, CONTEXT)),
            has_tokenizer=self._has_tokenizer,
            checks=tuple(self._checks),
            error=self._error,
        )

    def _check(self, name: str, work: Callable[[], str]) -> bool:
        try:
            self._checks.append(Check(name, True, work()))
        except AppError as error:
            self._refuse(name, error)
            return False
        return True

    def _refuse(self, name: str, error: AppError) -> None:
        self._checks.append(Check(name, False, str(error)))
        self._error = self._error or error

    def _read_config(self) -> str:
        self._config = load_config(self._path)
        return self._config.architecture

    def _find_tokenizer(self) -> str:
        if not (self._path / TOKENIZER_FILE).is_file():
            raise AppError(ErrorCode.TOKENIZER_MISSING, path=self._path)
        return TOKENIZER_FILE

    def _embedding_config(self, file: GgufFile) -> str:
        self._embedding = embedding_config(file)
        return f"{self._embedding.family}, embedding model"

    def _gguf_config(self, file: GgufFile) -> str:
        self._config = gguf_config(file)
        return self._config.architecture


def count_parameters(config: ModelConfig) -> int:
    """Return the number of weights that the model was trained with; scales are no weights of their own."""
    linear = sum(rows * cols for rows, cols in linear_shapes(config).values()) * config.num_hidden_layers
    specs = expected_tensors(config).items()
    rest = sum(prod(spec.shape) for name, spec in specs if "_proj." not in name)
    return linear + rest


def _compare(files: TensorFiles, config: ModelConfig) -> str:
    check_tensors(files, config)
    return f"{len(files.tensors)} tensors"


def _read_values(reader: TensorReader, config: ModelConfig) -> str:
    """Read every tensor as loading does, keeping none."""
    for name in expected_tensors(config):
        stem = name.removesuffix(".weight")
        if name.endswith(".weight_scale"):
            reader.scale(name.removesuffix(".weight_scale"))
        elif "_proj" not in name and "norm" in name:
            reader.floats(name)
        elif "_proj" not in name:
            reader.check_bits(name)
        elif config.is_packed:
            reader.check_codes(stem)
        else:
            reader.quantized(stem)
    return "finite, scales positive, codes 0 to 2"


def _gguf_vocabulary(file: GgufFile, config: ModelConfig) -> str:
    template = gguf_tokenizer(file, config).template
    return f"{config.vocab_size} tokens in {file.path.name}, chat template {template.value}"


def _compare_gguf(file: GgufFile, config: ModelConfig) -> str:
    check_gguf_tensors(file, config)
    return f"{len(file.tensors)} tensors"


def _read_gguf_values(reader: GgufReader, config: ModelConfig) -> str:
    """Read every tensor as loading does, keeping none."""
    reader.check_layout()
    for name in expected_tensors(config):
        if "_proj." in name:
            if name.endswith(".weight"):
                reader.check_codes(name.removesuffix(".weight"))
        elif "norm" in name:
            reader.floats(name)
        else:
            reader.check_bits(name)
    grouped = [f"{len(reader.grouped)} tensors with a scale for each block"] if reader.grouped else []
    rounded = [f"{n} values of {name} rounded to bfloat16" for name, n in reader.n_rounded.items() if n]
    return ", ".join(["finite, scales positive, codes 0 to 2", *grouped, *rounded])


def _embedding_vocabulary(file: GgufFile, config: EmbeddingConfig) -> str:
    embedding_tokenizer(file)
    return f"{config.vocab_size} tokens in {file.path.name}"


def _compare_embedding(file: GgufFile, config: EmbeddingConfig) -> str:
    embedding_weights.check_embedding_tensors(file, config)
    return f"{len(file.tensors)} tensors"


def _read_embedding_values(file: GgufFile, config: EmbeddingConfig, cancel: CancelToken, emit: Emit) -> str:
    embedding_weights.check_embedding_values(file, config, cancel, emit)
    return "finite, scales positive, codes 0 to 2"


def _ignore(event: object) -> None:
    """Nobody listens."""
