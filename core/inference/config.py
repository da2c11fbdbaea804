"""config.json and generation_config.json as one checked value: what is not implemented is refused by name.

Knows the keys of the two files and the limits of the kernels; must not know tensors or where a model is used.
"""

import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NewType

from core.errors import AppError, ErrorCode

TokenId = NewType("TokenId", int)

CONFIG_LIMIT_BYTES = 1 << 20
MAX_WIDTH = 1 << 16  # inputs of one linear layer: TERN_MAX_INPUTS in cython_kernels/src/kernels.h
MAX_LAYERS = 512
MAX_HEADS = 1024
MAX_HEAD_DIM = 1024
MAX_VOCAB = 1 << 20
MAX_POSITIONS = 1 << 22

# model_type -> the one architecture that is implemented for it
ARCHITECTURES: Mapping[str, str] = {"bitnet": "BitNetForCausalLM", "llama": "LlamaForCausalLM"}


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """What a model is; the names are those of config.json."""

    model_type: Literal["bitnet", "llama"]
    architecture: str
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    vocab_size: int
    max_position_embeddings: int
    rms_norm_eps: float
    rope_theta: float
    hidden_act: Literal["relu2", "silu"]
    tie_word_embeddings: bool
    has_sub_norms: bool
    scale_divides: bool  # the stored weight_scale divides instead of multiplying
    bos_token_id: TokenId
    stop_ids: frozenset[TokenId]
    is_packed: bool = True  # False: bfloat16 masters, made ternary while loading


def load_config(directory: Path) -> ModelConfig:
    """Read and check the configuration of the model in `directory`.

    Raises:
        AppError: MODEL_NOT_FOUND, MODEL_INCOMPLETE, MODEL_DAMAGED, MODEL_UNSUPPORTED.
    """
    try:
        mode = directory.stat().st_mode
    except (OSError, ValueError) as exc:
        raise AppError(ErrorCode.MODEL_NOT_FOUND, path=directory) from exc
    if not stat.S_ISDIR(mode):
        raise AppError(ErrorCode.MODEL_UNSUPPORTED, path=directory, reason="not a directory")
    keys = ConfigKeys(directory, "config.json", read_json_object(directory, "config.json", CONFIG_LIMIT_BYTES))
    name = "generation_config.json"
    generation = read_json_object(directory, name, CONFIG_LIMIT_BYTES) if (directory / name).exists() else {}
    config = _parse(keys, ConfigKeys(directory, name, generation))
    check_sizes(keys, config)
    return config


def config_2b4t() -> ModelConfig:
    """Return the configuration of microsoft/bitnet-b1.58-2B-4T."""
    return ModelConfig(
        model_type="bitnet",
        architecture="BitNetForCausalLM",
        hidden_size=2560,
        intermediate_size=6912,
        num_hidden_layers=30,
        num_attention_heads=20,
        num_key_value_heads=5,
        head_dim=128,
        vocab_size=128256,
        max_position_embeddings=4096,
        rms_norm_eps=1e-5,
        rope_theta=500000.0,
        hidden_act="relu2",
        tie_word_embeddings=True,
        has_sub_norms=True,
        scale_divides=False,
        bos_token_id=TokenId(128000),
        stop_ids=frozenset({TokenId(128001), TokenId(128009)}),
    )


def read_json_object(directory: Path, name: str, limit_bytes: int) -> dict[str, object]:
    """Return the JSON object in the file `name`, refusing what is too large, too deep or no object.

    Raises:
        AppError: MODEL_INCOMPLETE without such a file, MODEL_DAMAGED.
    """
    path = directory / name
    try:
        if not path.is_file():  # a fifo or a device would block
            raise AppError(ErrorCode.MODEL_INCOMPLETE, path=directory, missing=name)
        with path.open("rb") as file:
            data = file.read(limit_bytes + 1)
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        raise AppError(ErrorCode.MODEL_DAMAGED, path=directory, part=name, reason=reason) from exc
    if len(data) > limit_bytes:
        raise AppError(ErrorCode.MODEL_DAMAGED, path=directory, part=name, reason=f"larger than {limit_bytes} bytes")
    return parse_json_object(data, directory, name)


def parse_json_object(data: bytes, directory: Path, name: str) -> dict[str, object]:
    """Return `data` as a JSON object without duplicate keys.

    Raises:
        AppError: MODEL_DAMAGED, with `name` as the part.
    """
    try:
        value = json.loads(data, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as exc:
        raise AppError(ErrorCode.MODEL_DAMAGED, path=directory, part=name, reason="no valid JSON") from exc
    if not isinstance(value, dict):
        raise AppError(ErrorCode.MODEL_DAMAGED, path=directory, part=name, reason="no JSON object")
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise ValueError("duplicate key")
    return unique


class ConfigKeys:
    """Typed access to the keys of one file; every refusal names the file and the key."""

    def __init__(self, directory: Path, file: str, values: Mapping[str, object]) -> None:
        self.directory = directory
        self.file = file
        self.values = values

    def damaged(self, reason: str) -> AppError:
        """Return the error that names the file and what is wrong in it."""
        return AppError(ErrorCode.MODEL_DAMAGED, path=self.directory, part=self.file, reason=reason)

    def unsupported(self, reason: str) -> AppError:
        """Return the error that says what is not implemented."""
        return AppError(ErrorCode.MODEL_UNSUPPORTED, path=self.directory, reason=reason)

    def get(self, key: str) -> object:
        """Return a value, None where there is none."""
        return self.values.get(key)

    def integer(self, key: str, low: int, high: int) -> int:
        """Return a whole number in [low, high]; above `high` it is not supported, else damaged."""
        value = self._present(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < low:
            raise self.damaged(f"{key} is {_shown(value)}, not a whole number from {low} on")
        if value > high:
            raise self.unsupported(f"{key} is {_shown(value)}, more than {high}")
        return value

    def number(self, key: str, low: float, high: float) -> float:
        """Return a number in [low, high]."""
        value = self._present(key)
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
            raise self.damaged(f"{key} is {_shown(value)}, not a number from {low:g} to {high:g}")
        return float(value)

    def boolean(self, key: str) -> bool:
        """Return true or false."""
        value = self._present(key)
        if not isinstance(value, bool):
            raise self.damaged(f"{key} is {_shown(value)}, not true or false")
        return value

    def shown(self, key: str) -> str:
        """Return a short form of a value for an error."""
        return _shown(self.get(key))

    def section(self, key: str) -> "ConfigKeys | None":
        """Return the object under `key`, None where there is none."""
        value = self.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.damaged(f"{key} is {_shown(value)}, not an object")
        return ConfigKeys(self.directory, self.file, value)

    def token_ids(self, key: str, vocab_size: int) -> set[TokenId]:
        """Return the ids under `key`, which is one id, a list of ids or absent."""
        value = self.get(key)
        ids: set[TokenId] = set()
        for token in value if isinstance(value, list) else [] if value is None else [value]:
            if not isinstance(token, int) or isinstance(token, bool) or not 0 <= token < vocab_size:
                raise self.damaged(f"{key} holds {_shown(token)}, no id of the vocabulary")
            ids.add(TokenId(token))
        return ids

    def _present(self, key: str) -> object:
        if key not in self.values:
            raise self.damaged(f"{key} is missing")
        return self.values[key]


def _shown(value: object) -> str:
    """Return a short form for an error; huge numbers and deep nesting have none."""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError, RecursionError):  # an array of a GGUF file, too
        return "something huge"
    return text if len(text) <= 40 else text[:37] + "..."


def _parse(keys: ConfigKeys, generation: ConfigKeys) -> ModelConfig:
    model_type, architecture = _family(keys)
    _refuse_variants(keys)
    is_packed, scale_divides = _quantization(keys)
    heads = keys.integer("num_attention_heads", 1, MAX_HEADS)
    hidden = keys.integer("hidden_size", 16, MAX_WIDTH)
    vocab = keys.integer("vocab_size", 1, MAX_VOCAB)
    stops = keys.token_ids("eos_token_id", vocab) | generation.token_ids("eos_token_id", vocab)
    if not stops:
        raise keys.damaged("eos_token_id is missing")
    keys.token_ids("bos_token_id", vocab)  # refuses an id outside the vocabulary
    return ModelConfig(
        model_type=model_type,
        architecture=architecture,
        hidden_size=hidden,
        intermediate_size=keys.integer("intermediate_size", 16, MAX_WIDTH),
        num_hidden_layers=keys.integer("num_hidden_layers", 1, MAX_LAYERS),
        num_attention_heads=heads,
        num_key_value_heads=keys.integer("num_key_value_heads", 1, MAX_HEADS),
        head_dim=_head_dim(keys, hidden, heads),
        vocab_size=vocab,
        max_position_embeddings=keys.integer("max_position_embeddings", 16, MAX_POSITIONS),
        rms_norm_eps=keys.number("rms_norm_eps", 1e-12, 1.0),
        rope_theta=_rope_theta(keys),
        hidden_act=_activation(keys),
        tie_word_embeddings=keys.boolean("tie_word_embeddings"),
        has_sub_norms=model_type == "bitnet",
        scale_divides=scale_divides,
        bos_token_id=TokenId(keys.integer("bos_token_id", 0, MAX_VOCAB)),
        stop_ids=frozenset(stops),
        is_packed=is_packed,
    )


def _family(keys: ConfigKeys) -> tuple[Literal["bitnet", "llama"], str]:
    model_type, architectures = keys.get("model_type"), keys.get("architectures")
    for known in ("bitnet", "llama"):
        if model_type == known:
            if architectures != [ARCHITECTURES[known]]:
                raise keys.unsupported(f"architectures is {_shown(architectures)}")
            return ("bitnet" if known == "bitnet" else "llama"), ARCHITECTURES[known]
    raise keys.unsupported(f"model_type is {_shown(model_type)}")


def _refuse_variants(keys: ConfigKeys) -> None:
    """Refuse what would change the numbers and is not implemented."""
    for key in ("attention_bias", "mlp_bias", "bias"):
        if keys.get(key) not in (None, False):
            raise keys.unsupported(f"{key} is {_shown(keys.get(key))}")
    if keys.get("sliding_window") is not None and keys.get("use_sliding_window") is not False:
        raise keys.unsupported(f"sliding_window is {_shown(keys.get('sliding_window'))}")
    if keys.get("partial_rotary_factor") not in (None, 1):
        raise keys.unsupported(f"partial_rotary_factor is {_shown(keys.get('partial_rotary_factor'))}")


def _quantization(keys: ConfigKeys) -> tuple[bool, bool]:
    """Return is_packed and scale_divides.

    Only AutoBitLinear multiplies by the scale: BitLinear.post_quant_process in transformers/integrations/bitnet.py.
    """
    section = keys.section("quantization_config")
    if section is None:
        raise keys.unsupported("quantization_config is missing: the weights are not ternary")
    method, linear = section.get("quant_method"), section.get("linear_class")
    mode = section.get("quantization_mode")
    if method != "bitnet":
        raise keys.unsupported(f"quant_method is {_shown(method)}")
    if linear not in (None, "bitlinear", "autobitlinear"):
        raise keys.unsupported(f"linear_class is {_shown(linear)}")
    if mode not in (None, "offline", "online") or (mode == "online" and linear != "autobitlinear"):
        raise keys.unsupported(f"quantization_mode is {_shown(mode)}")
    if section.get("use_rms_norm") not in (None, False):
        raise keys.unsupported(f"use_rms_norm is {_shown(section.get('use_rms_norm'))}")
    return mode != "online", linear != "autobitlinear"


def _head_dim(keys: ConfigKeys, hidden: int, heads: int) -> int:
    if keys.get("head_dim") is not None:
        return keys.integer("head_dim", 16, MAX_HEAD_DIM)
    if hidden % heads:
        raise keys.damaged(f"hidden_size {hidden} is no multiple of num_attention_heads {heads}")
    return hidden // heads


def _rope_theta(keys: ConfigKeys) -> float:
    """Return theta from `rope_theta` or from `rope_parameters` (transformers 5); only unscaled RoPE is implemented."""
    scaling, parameters = keys.section("rope_scaling"), keys.section("rope_parameters")
    for section in (scaling, parameters):
        if section is not None:
            kind = section.get("rope_type") or section.get("type") or "default"
            if kind != "default" or section.get("partial_rotary_factor") not in (None, 1):
                raise keys.unsupported(f"rope_type is {_shown(kind)}")
    source = parameters if parameters is not None and "rope_theta" in parameters.values else keys
    theta = source.number("rope_theta", 1.0, 1e12)
    if "rope_theta" in keys.values and keys.number("rope_theta", 1.0, 1e12) != theta:
        raise keys.damaged("rope_theta and rope_parameters disagree")
    return theta


def _activation(keys: ConfigKeys) -> Literal["relu2", "silu"]:
    match keys.get("hidden_act"):
        case "relu2":
            return "relu2"
        case "silu":
            return "silu"
        case other:
            raise keys.unsupported(f"hidden_act is {_shown(other)}")


def check_sizes(keys: ConfigKeys, config: ModelConfig) -> None:
    """Refuse sizes that the kernels cannot hold; they work on 16 lanes."""
    for key in ("hidden_size", "intermediate_size", "head_dim"):
        if getattr(config, key) % 16:
            raise keys.unsupported(f"{key} is {getattr(config, key)}, no multiple of 16")
    if config.head_dim > MAX_HEAD_DIM or config.num_attention_heads * config.head_dim > MAX_WIDTH:
        raise keys.unsupported(f"{config.num_attention_heads} heads of {config.head_dim} values")
    if config.num_attention_heads % config.num_key_value_heads:
        raise keys.damaged("num_attention_heads is no multiple of num_key_value_heads")
