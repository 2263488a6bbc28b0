"""A decoder's parameters, matrix by matrix: from its dimensions, or from a size alone.

Knows no files and no frameworks. Sources: the model classes of the transformers library.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from advisor.domain.architecture import ModelShape

LAYER_NORM = frozenset(
    [
        "gpt2",
        "gpt_bigcode",
        "gpt_neo",
        "gpt_neox",
        "gptj",
        "opt",
        "bloom",
        "falcon",
        "mpt",
        "phi",
        "stablelm",
        "starcoder2",
        "cohere",
        "cohere2",
        "olmo",
        "codegen",
        "persimmon",
        "nemotron",
        "bert",
        "roberta",
        "xglm",
        "biogpt",
    ]
)
"""Families with LayerNorm; the others have RMSNorm, which transformers computes on an fp32 copy."""
FUSED_QKV = frozenset(
    [
        "gpt2",
        "gpt_bigcode",
        "gpt_neox",
        "bloom",
        "falcon",
        "mpt",
        "phi3",
        "chatglm",
        "internlm2",
        "baichuan",
        "qwen",
        "codegen",
    ]
)
"""Families whose query, key and value are one matrix."""
ONE_NORM = frozenset(["phi", "gptj", "codegen", "cohere", "cohere2"])
"""Parallel blocks that norm once for attention and feed-forward."""
FOUR_NORMS = frozenset(["gemma2", "gemma3", "gemma3_text", "gemma3n", "gemma4", "glm4"])
QK_NORM = frozenset(["qwen3", "qwen3_moe", "gemma3", "gemma3_text", "olmo2", "olmo3", "olmoe", "stablelm2", "apertus"])
"""Families that also norm queries and keys."""
SOFT_CAP = frozenset(("gemma2",))
"""Families whose attention scores pass through a hyperbolic tangent; they need eager attention for it."""
DROPOUT = frozenset(["gpt2", "gpt_neo", "bert", "roberta", "opt", "biogpt"])
"""Families whose published configurations train with dropout 0.1 on residuals and attention."""
ENCODERS = frozenset(("bert", "roberta"))
"""No language-model head over the vocabulary when fine-tuned as a classifier."""


class Linear(NamedTuple):
    """A weight matrix of the blocks and how many copies of it the model has."""

    name: str
    part: str
    """attention | mlp | expert | router."""
    inputs: int
    outputs: int
    copies: int

    @property
    def size(self) -> int:
        """Elements of one copy."""
        return self.inputs * self.outputs

    @property
    def total(self) -> int:
        return self.size * self.copies


def moe_layers(shape: ModelShape) -> int:
    """How many blocks are routed."""
    if shape.experts <= 1:
        return 0
    return shape.layers if shape.moe_layers is None else min(shape.moe_layers, shape.layers)


def expert_width(shape: ModelShape) -> int:
    return shape.moe_intermediate or shape.intermediate


def shared_width(shape: ModelShape) -> int:
    return shape.shared_intermediate or shape.shared_experts * expert_width(shape)


def value_width(shape: ModelShape) -> int:
    return shape.heads * (shape.value_head_dim or shape.head_dim)


@lru_cache(maxsize=512)
def linears(shape: ModelShape) -> tuple[Linear, ...]:
    """All weight matrices of the blocks, the head and the embeddings left out."""
    found = list(_attention(shape))
    dense = shape.layers - moe_layers(shape)
    if dense:
        found += _feed_forward(shape, shape.intermediate, dense, "mlp")
    if moe_layers(shape):
        routed = moe_layers(shape)
        found += _feed_forward(shape, expert_width(shape), routed * shape.experts, "expert")
        found.append(Linear("router", "router", shape.hidden, shape.experts, routed))
        if shared_width(shape):
            found += _feed_forward(shape, shared_width(shape), routed, "mlp", prefix="shared_")
    return tuple(found)


def _attention(shape: ModelShape) -> list[Linear]:
    h, n, width = shape.hidden, shape.layers, shape.heads * shape.head_dim
    if shape.kv_rank:
        return _latent_attention(shape)
    key = shape.kv_heads * shape.head_dim
    return [
        Linear("q_proj", "attention", h, width, n),
        Linear("k_proj", "attention", h, key, n),
        Linear("v_proj", "attention", h, key, n),
        Linear("o_proj", "attention", width, h, n),
    ]


def _latent_attention(shape: ModelShape) -> list[Linear]:
    """Multi-head latent attention (DeepSeek-V2 paper 2405.04434, section 2.1)."""
    h, n, width = shape.hidden, shape.layers, shape.heads * shape.head_dim
    nope = shape.heads * (shape.head_dim - shape.rope_head_dim)
    query = (
        [Linear("q_a_proj", "attention", h, shape.q_rank, n), Linear("q_b_proj", "attention", shape.q_rank, width, n)]
        if shape.q_rank
        else [Linear("q_proj", "attention", h, width, n)]
    )
    return [
        *query,
        Linear("kv_a_proj_with_mqa", "attention", h, shape.kv_rank + shape.rope_head_dim, n),
        Linear("kv_b_proj", "attention", shape.kv_rank, nope + value_width(shape), n),
        Linear("o_proj", "attention", value_width(shape), h, n),
    ]


def _feed_forward(shape: ModelShape, width: int, count: int, part: str, prefix: str = "") -> list[Linear]:
    names = ("gate_proj", "up_proj") if shape.gated else ("up_proj",)
    found = [Linear(prefix + name, part, shape.hidden, width, count) for name in names]
    return [*found, Linear(f"{prefix}down_proj", part, width, shape.hidden, count)]


def norms_per_layer(shape: ModelShape) -> int:
    """Norms over the hidden width in one block."""
    if shape.arch in FOUR_NORMS:
        return 4
    single = shape.arch in ONE_NORM or (shape.arch == "falcon" and shape.parallel and shape.kv_heads == 1)
    return 1 if single else 2


@lru_cache(maxsize=512)
def linear_params(shape: ModelShape) -> int:
    """Elements of the blocks' matrices: what a quantizer of linear layers covers."""
    return sum(linear.total for linear in linears(shape))


@lru_cache(maxsize=512)
def embedding_params(shape: ModelShape) -> int:
    """Elements of the token embedding."""
    return shape.vocab * shape.hidden


def head_params(shape: ModelShape) -> int:
    """Elements of an untied head."""
    return 0 if shape.tied or shape.arch in ENCODERS else shape.vocab * shape.hidden


@lru_cache(maxsize=512)
def small_params(shape: ModelShape) -> int:
    """Norms, biases, learned positions and what a family has beside the ordinary blocks."""
    bias = 2 if shape.arch in LAYER_NORM else 1
    norms = (norms_per_layer(shape) * shape.layers + 1) * shape.hidden * bias
    biases = 0
    for linear in linears(shape):
        is_output = linear.name.endswith("o_proj")
        if (
            linear.part == "attention" and shape.attention_bias and not (is_output and shape.arch.startswith("qwen2"))
        ) or (linear.part in ("mlp", "expert") and shape.mlp_bias):
            biases += linear.outputs * linear.copies
    return norms + biases + shape.learned_positions * shape.hidden + shape.extra_params


def count_params(shape: ModelShape) -> int:
    """Parameters of the model: as stored where that is known, otherwise from the dimensions."""
    if shape.params is not None:
        return shape.params
    return linear_params(shape) + embedding_params(shape) + head_params(shape) + small_params(shape)


def active_params(shape: ModelShape) -> int:
    """Parameters that one token passes through, embeddings left out, head counted: what FLOPs go by."""
    total = shape.vocab * shape.hidden
    for linear in linears(shape):
        share = shape.experts_active / shape.experts if linear.part == "expert" else 1.0
        total += round(linear.total * share)
    return total


# -- from a size alone -------------------------------------------------------------------------------------------------

_KNOWN_SIZES: tuple[tuple[float, int, int, int, int, int, int], ...] = (
    # billions, layers, hidden, intermediate, heads, key/value heads, vocabulary: typical of 2023 to 2025
    (0.135, 30, 576, 1536, 9, 3, 49152),
    (0.5, 24, 896, 4864, 14, 2, 151936),
    (1.24, 16, 2048, 8192, 32, 8, 128256),
    (1.54, 28, 1536, 8960, 12, 2, 151936),
    (3.2, 28, 3072, 8192, 24, 8, 128256),
    (4.0, 36, 2560, 9728, 32, 8, 151936),
    (6.74, 32, 4096, 11008, 32, 32, 32000),
    (8.03, 32, 4096, 14336, 32, 8, 128256),
    (13.0, 40, 5120, 13824, 40, 40, 32000),
    (14.8, 48, 5120, 13824, 40, 8, 152064),
    (32.5, 64, 5120, 27648, 40, 8, 152064),
    (46.7, 60, 6656, 24576, 52, 8, 64000),
    (70.6, 80, 8192, 28672, 64, 8, 128256),
    (123.0, 88, 12288, 28672, 96, 8, 32768),
    (405.0, 126, 16384, 53248, 128, 8, 128256),
)
_TIED_BELOW = 4.5
"""Billions: smaller models of these generations tie their embeddings."""


@lru_cache(maxsize=512)
def shape_from_params(params_b: float) -> ModelShape:
    """Plausible dimensions of a decoder of that many billion parameters: the nearest common design, its depth and
    widths adapted until the count agrees within a percent."""
    import math

    nearest = min(_KNOWN_SIZES, key=lambda row: abs(math.log(row[0] / params_b)))
    _, layers, hidden, intermediate, heads, kv_heads, vocab = nearest
    head_dim = hidden // heads
    scale = (params_b / nearest[0]) ** (1 / 3)
    layers = max(1, round(layers * scale))
    heads = max(1, round(heads * scale))
    kv_heads = heads if kv_heads == nearest[4] else min(kv_heads, heads)
    heads = max(kv_heads, heads // kv_heads * kv_heads)
    base = ModelShape(
        name=f"about {params_b:g}B",
        layers=layers,
        hidden=heads * head_dim,
        intermediate=max(8, round(intermediate * scale)),
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        vocab=vocab,
        tied=params_b < _TIED_BELOW,
    )
    return _with_count(base, params_b * 1e9)


def _with_count(shape: ModelShape, wanted: float) -> ModelShape:
    """The feed-forward width, or the vocabulary of a model too small for it, adapted until the count is `wanted`."""
    missing = wanted - count_params(shape)
    step = 3 * shape.hidden * shape.layers
    width = max(8, shape.intermediate + round(missing / step))
    adapted = shape.model_copy(update={"intermediate": width})
    rest = wanted - count_params(adapted)
    if abs(rest) > 0.01 * wanted:
        copies = 1 if shape.tied else 2
        vocab = max(1, shape.vocab + round(rest / (shape.hidden * copies)))
        adapted = adapted.model_copy(update={"vocab": vocab})
    return adapted.model_copy(update={"params": max(1, round(wanted))})
