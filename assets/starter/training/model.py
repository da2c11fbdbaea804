"""The BitNet b1.58 network in PyTorch, trained quantisation-aware; the same arithmetic as Tern's own core.

Weights are ternary by their mean absolute value, activations 8-bit per token; both roundings pass gradients straight
through. Integers up to 256 are exact in bfloat16, so the products run in bfloat16 on integer operands where the processor
is faster with it.
"""

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Size:
    """Shape of the network; the names of config.json."""

    vocab_size: int = 2560
    hidden_size: int = 256
    intermediate_size: int = 768
    num_hidden_layers: int = 4
    num_attention_heads: int = 8
    num_key_value_heads: int = 4
    max_position_embeddings: int = 1024
    rope_theta: float = 10000.0
    rms_norm_eps: float = 1e-5

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.hidden_size // self.num_attention_heads

    def as_dict(self) -> dict[str, float]:
        """All fields by name."""
        return asdict(self)


def fastest_type() -> torch.dtype:
    """Return bfloat16 where the processor multiplies it; without such units it would be 30 times slower than float32."""
    has_units = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if has_units else torch.float32


PRODUCT = fastest_type()


def rounded(x: Tensor) -> Tensor:
    """Round to bfloat16, as the shipped file stores it; gradients pass straight through."""
    return x + (x.bfloat16().float() - x).detach()


def ternary(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return the weights as -1, 0, 1 (straight-through) and their scale, rounded to bfloat16."""
    mean = weight.detach().abs().mean().clamp(min=1e-5)
    scaled = weight / mean
    return scaled + (scaled.round().clamp(-1, 1) - scaled).detach(), mean.bfloat16().float()


def int8(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return each row as integers -128..127 (straight-through) and the factor they were multiplied by."""
    factor = 127.0 / x.detach().abs().amax(-1, keepdim=True).clamp(min=1e-5)
    scaled = x * factor
    return scaled + (scaled.round().clamp(-128, 127) - scaled).detach(), factor


def linear(x: Tensor, weights: list[Tensor]) -> list[Tensor]:
    """Multiply the rows of `x`, made 8-bit once, by each ternary matrix."""
    q, factor = int8(x)
    pairs = [ternary(w) for w in weights]
    packed = torch.cat([w for w, _ in pairs]).to(PRODUCT)
    out = F.linear(q.to(PRODUCT), packed).float() / factor
    parts = out.split([w.shape[0] for w in weights], dim=-1)
    return [part * scale for part, (_, scale) in zip(parts, pairs, strict=True)]


class Norm(nn.Module):
    """Root-mean-square norm."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last dimension."""
        return rounded(self.weight) * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps))


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions, halves rotated against each other."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


class Layer(nn.Module):
    """Attention and feed-forward with sub-norms."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        h, kv = size.hidden_size, size.num_key_value_heads * size.head_dim
        self.size = size
        self.input_layernorm = Norm(h, size.rms_norm_eps)
        self.post_attention_layernorm = Norm(h, size.rms_norm_eps)
        self.attn_sub_norm = Norm(h, size.rms_norm_eps)
        self.ffn_sub_norm = Norm(size.intermediate_size, size.rms_norm_eps)
        shapes = {"q_proj": (h, h), "k_proj": (kv, h), "v_proj": (kv, h), "o_proj": (h, h),
                  "gate_proj": (size.intermediate_size, h), "up_proj": (size.intermediate_size, h),
                  "down_proj": (h, size.intermediate_size)}  # fmt: skip
        for name, (rows, columns) in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.randn(rows, columns) * columns**-0.5))

    def forward(self, x: Tensor, mask: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """One block; `mask` is (batch, 1, time, time), true where attention is allowed."""
        size = self.size
        batch, time, _ = x.shape
        q, k, v = linear(self.input_layernorm(x), [self.q_proj, self.k_proj, self.v_proj])
        q = rotate(q.view(batch, time, -1, size.head_dim).transpose(1, 2), cos, sin)
        k = rotate(k.view(batch, time, -1, size.head_dim).transpose(1, 2), cos, sin)
        v = v.view(batch, time, -1, size.head_dim).transpose(1, 2)
        share = size.num_attention_heads // size.num_key_value_heads
        k, v = k.repeat_interleave(share, 1), v.repeat_interleave(share, 1)
        a = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        a = self.attn_sub_norm(a.transpose(1, 2).reshape(batch, time, -1))
        x = x + linear(a, [self.o_proj])[0]
        gate, up = linear(self.post_attention_layernorm(x), [self.gate_proj, self.up_proj])
        return x + linear(self.ffn_sub_norm(F.relu(gate).square() * up), [self.down_proj])[0]


class BitNet(nn.Module):
    """The whole network; the embedding is also the head."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        self.embed = nn.Parameter(torch.randn(size.vocab_size, size.hidden_size) * 0.05)
        self.layers = nn.ModuleList(Layer(size) for _ in range(size.num_hidden_layers))
        self.norm = Norm(size.hidden_size, size.rms_norm_eps)
        frequency = size.rope_theta ** (-torch.arange(0, size.head_dim, 2).float() / size.head_dim)
        angle = torch.arange(size.max_position_embeddings).float()[:, None] * frequency
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the logits in float32, (batch, time, vocab)."""
        time = ids.shape[1]
        x = F.embedding(ids, rounded(self.embed))
        for layer in self.layers:
            x = layer(x, mask, self.cos[:time], self.sin[:time])
        return F.linear(self.norm(x).to(PRODUCT), rounded(self.embed).to(PRODUCT)).float()
