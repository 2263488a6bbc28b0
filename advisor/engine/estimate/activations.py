"""What autograd keeps of one block's forward pass for the backward pass, counted operation by operation.

A frozen matrix keeps nothing of its input; a trained one, and an adapter on it, do. Norms of the RMS kind keep an fp32
copy of the residual, flash attention queries, keys, values, output and a statistic, eager attention all scores. Read
from the model classes of transformers and from torch's derivative formulas; checked against the tensors that autograd
really saves (`tests/advisor/engine/estimate/test_activations.py`).
"""

from __future__ import annotations

from typing import NamedTuple

from advisor.domain.architecture import ModelShape
from advisor.engine.estimate import constants as c
from advisor.engine.estimate import shapes
from advisor.engine.estimate.adapters import Adapter
from advisor.engine.estimate.precision import Sizes
from advisor.engine.estimate.shapes import Linear


class Kept(NamedTuple):
    """Bytes for the whole model: what one token keeps, and what each pair of tokens of a sequence keeps (eager)."""

    per_token: float
    per_pair: float
    block_per_token: float
    """The largest single block, which is what recomputing under gradient checkpointing brings back at once."""
    block_per_pair: float
    adapter_inputs: float
    """Of `per_token`: inputs that adapters keep. Pure 16-bit PEFT keeps them in fp32, adapters in the base's own type
    without dropout share them: twice as much, or half."""
    widest: float
    """Bytes per token of the widest tensor of a block: gradients of that size live while it is gone through."""


def kept(
    shape: ModelShape,
    sizes: Sizes,
    attention: str,
    trains_all: bool,
    adapter: Adapter | None,
    targets: tuple[Linear, ...],
) -> Kept:
    """Bytes kept by a forward pass, without checkpointing."""
    n = shape.layers
    common = _norms(shape, sizes, trains_all or (adapter is not None and adapter.trains_norms))
    common += _attention(shape, sizes, attention, trains_all)
    dense = _feed_forward(shape, shape.intermediate, sizes, trains_all)
    routed = shapes.moe_layers(shape)
    sparse = _experts(shape, sizes, trains_all) if routed else 0.0
    extra = _adapter(adapter, targets, shape, sizes)
    pairs = _pairs(shape, sizes, attention)
    total = n * common + (n - routed) * dense + routed * sparse + extra
    block = common + max(dense if n > routed else 0.0, sparse) + extra / n
    width = max(shape.intermediate, shape.heads * shape.head_dim)
    if routed:
        width = max(shape.hidden, shapes.expert_width(shape) * shape.experts_active)
    inputs = _adapter(adapter, targets, shape, sizes, outputs=False) if sizes.compute < c.FP32 else 0.0
    return Kept(total, n * pairs, block, pairs, inputs, float(sizes.compute * width))


def _norms(shape: ModelShape, sizes: Sizes, trained: bool) -> float:
    """Per token: the norms over the hidden width, and those over queries and keys where a family has them."""
    rms = c.FP32 + (sizes.residual if trained else 0)
    each = float(sizes.residual if shape.arch in shapes.LAYER_NORM else rms)
    total = shapes.norms_per_layer(shape) * each * shape.hidden
    if shape.arch in shapes.QK_NORM:
        total += (c.FP32 + (sizes.compute if trained else 0)) * (shape.heads + shape.kv_heads) * shape.head_dim
    if shape.arch in shapes.DROPOUT:
        total += 2 * shape.hidden  # one byte of mask for the residual after attention and after the feed-forward
    return total


def _attention(shape: ModelShape, sizes: Sizes, attention: str, trained: bool) -> float:
    """Per token: inputs of the projections that are trained, and what the attention operation keeps."""
    query, key = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    value = shapes.value_width(shape) if shape.kv_rank else key
    if shape.kv_rank:
        key = query  # latent attention expands its keys to every head before attending
    if attention != "flash":
        key, value = query, shapes.value_width(shape)  # repeated for each query head
    width = sizes.compute
    total = float(width * (query + key + value))
    if attention != "eager":
        total += width * shapes.value_width(shape) + c.FLASH_STATISTIC * shape.heads
    if trained:
        readers = 1 if shape.arch in shapes.FUSED_QKV else 3
        total += width * shape.hidden * (readers if sizes.is_mixed else 1)
        if attention == "eager":
            total += width * shapes.value_width(shape)
        if shape.kv_rank:
            total += width * (shape.q_rank + shape.kv_rank)
    return total


def _pairs(shape: ModelShape, sizes: Sizes, attention: str) -> float:
    """Per pair of tokens: scores after an fp32 softmax, their cast, with dropout the dropped copy and its mask, and the
    hyperbolic tangent of families that cap their scores."""
    if attention != "eager":
        return 0.0
    capped = sizes.compute if shape.arch in shapes.SOFT_CAP else 0
    cast = sizes.compute if sizes.compute < c.FP32 else 0
    dropped = sizes.compute + 1 if shape.arch in shapes.DROPOUT else 0
    return float(shape.heads * (c.FP32 + cast + dropped + capped))


def _feed_forward(shape: ModelShape, width: int, sizes: Sizes, trained: bool) -> float:
    """Per token: gate before and after its activation and up, or the one hidden layer before its activation."""
    compute = sizes.compute
    total = float((3 if shape.gated else 1) * compute * width)
    if trained:
        readers = 2 if shape.gated and sizes.is_mixed else 1
        shares_input = shape.parallel and not sizes.is_mixed and shapes.norms_per_layer(shape) == 1
        total += compute * width + (0 if shares_input else readers * compute * shape.hidden)
    return total


def _experts(shape: ModelShape, sizes: Sizes, trained: bool) -> float:
    """Per token: every expert it goes to, that expert's output (weighted by the router) and the shared expert."""
    one = _feed_forward(shape, shapes.expert_width(shape), sizes, trained)
    gathered = sizes.compute * shape.hidden  # the expert's output, for the gradient of its routing weight
    total = shape.experts_active * (one + gathered) + 2 * c.FP32 * shape.experts
    if shapes.shared_width(shape):
        total += _feed_forward(shape, shapes.shared_width(shape), sizes, trained)
    return total


def _adapter(
    adapter: Adapter | None, targets: tuple[Linear, ...], shape: ModelShape, sizes: Sizes, outputs: bool = True
) -> float:
    """Per token over the whole model: inputs, and outputs where asked for, that the adapter keeps."""
    if adapter is None:
        return 0.0
    total, seen = 0.0, set[str]()
    for target in targets:
        active = shape.experts_active / shape.experts if target.part == "expert" else 1.0
        copies = target.copies * active
        if adapter.keeps_input:
            total += copies * target.inputs * _input_bytes(target, shape, sizes, seen)
        total += copies * target.outputs * adapter.output_bytes if outputs else 0.0
    return total


def _input_bytes(target: Linear, shape: ModelShape, sizes: Sizes, seen: set[str]) -> int:
    """One copy in the compute type per matrix: autocast or dropout makes it. Matrices fused into one read once; in fp32
    no copy is made, readers of one tensor share it, and the attention keeps its own output already."""
    is_query = target.name in ("q_proj", "k_proj", "v_proj")
    group = target.name
    if is_query and shape.arch in shapes.FUSED_QKV:
        group = "qkv"
    if sizes.compute == c.FP32:
        group = "qkv" if is_query else ("gate_up" if target.name in ("gate_proj", "up_proj") else group)
        if target.name == "o_proj":
            return 0
    if group in seen:
        return 0
    seen.add(group)
    return sizes.compute


def prefill_per_token(shape: ModelShape, compute: int) -> float:
    """Bytes per token that live at once in the widest place of a forward pass without gradients: the residual, its
    norm, and the feed-forward's tensors."""
    width = shape.intermediate
    if shapes.moe_layers(shape):
        width = max(shapes.expert_width(shape) * shape.experts_active, shapes.shared_width(shape), shape.hidden)
    norm = 0 if shape.arch in shapes.LAYER_NORM else c.FP32
    feed = (3 if shape.gated else 2) * compute * width
    attention = 3 * compute * shape.heads * shape.head_dim + norm * shape.hidden
    return float(2 * compute * shape.hidden + max(feed, attention))


def eager_scores(shape: ModelShape, compute: int) -> float:
    """Bytes per pair of tokens while eager attention runs without gradients: scores, fp32 softmax input and output."""
    upcast = 2 * c.FP32 if compute < c.FP32 else c.FP32
    return float(shape.heads * (compute + upcast))
