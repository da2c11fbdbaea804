"""What a model directory holds and whether it may be loaded, told without loading it.

Knows the order of the checks; the checks themselves are those of loading (config.py, safetensors.py, weights.py).
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path

from core.errors import AppError, ErrorCode
from core.events import CancelToken, Emit
from core.inference.config import ModelConfig, load_config
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
    """What is known about a model directory; sizes are 0 and names empty where the files do not tell."""

    path: Path
    format: str  # "safetensors, packed 2-bit" or "safetensors, bfloat16 masters"
    config: ModelConfig | None  # None when config.json was refused
    n_parameters: int
    files: tuple[str, ...]
    file_bytes: int  # of the tensors
    memory_bytes: int  # packed weights and a full KV cache of the default context
    has_tokenizer: bool
    checks: tuple[Check, ...]
    error: AppError | None  # why it would be refused; None when it may be loaded


def inspect_model(
    directory: Path,
    *,
    deep: bool = False,
    cancel: CancelToken | None = None,
    emit: Emit | None = None,
) -> ModelReport:
    """Look at the model in `directory` and say what would refuse it.

    Args:
        directory: a model directory; need not exist.
        deep: also read every value: NaN, scales, code 3. Takes as long as loading, with little memory.
        cancel: for deep.
        emit: gets LoadProgress when deep.

    Raises:
        Interrupted: `cancel` was cancelled.
    """
    inspection = _Inspection(directory)
    inspection.run(deep=deep, cancel=cancel or CancelToken(), emit=emit or _ignore)
    return inspection.report()


class _Inspection:
    """Runs the checks in order; those that stand on a failed one are left out."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._config: ModelConfig | None = None
        self._files: tuple[str, ...] = ()
        self._file_bytes = 0
        self._has_tokenizer = False
        self._checks: list[Check] = []
        self._error: AppError | None = None

    def run(self, *, deep: bool, cancel: CancelToken, emit: Emit) -> None:
        if not self._check("config", self._read_config) or self._config is None:
            return
        config = self._config
        self._check("tokenizer", self._find_tokenizer)
        try:
            files = TensorFiles(self._directory)
        except AppError as error:
            self._refuse("files", error)
            return
        with files:
            self._files, self._file_bytes = files.files, files.total_bytes
            self._checks.append(Check("files", True, f"{len(files.files)} files, {files.total_bytes} bytes"))
            if self._check("tensors", lambda: _compare(files, config)) and deep:
                self._check("values", lambda: _read_values(TensorReader(files, config, cancel, emit), config))

    def report(self) -> ModelReport:
        config = self._config
        return ModelReport(
            path=self._directory,
            format="" if config is None else _format(config),
            config=config,
            n_parameters=0 if config is None else count_parameters(config),
            files=self._files,
            file_bytes=self._file_bytes,
            memory_bytes=0 if config is None else memory_bytes(config, shape_for(config, CONTEXT)),
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
        self._config = load_config(self._directory)
        return self._config.architecture

    def _find_tokenizer(self) -> str:
        if not (self._directory / TOKENIZER_FILE).is_file():
            raise AppError(ErrorCode.TOKENIZER_MISSING, path=self._directory)
        self._has_tokenizer = True
        return TOKENIZER_FILE


def count_parameters(config: ModelConfig) -> int:
    """Return the number of weights that the model was trained with; scales are no weights of their own."""
    linear = sum(rows * cols for rows, cols in linear_shapes(config).values()) * config.num_hidden_layers
    specs = expected_tensors(config).items()
    rest = sum(prod(spec.shape) for name, spec in specs if "_proj." not in name)
    return linear + rest


def _format(config: ModelConfig) -> str:
    return "safetensors, packed 2-bit" if config.is_packed else "safetensors, bfloat16 masters"


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


def _ignore(event: object) -> None:
    """Nobody listens."""
