"""Memory of the host and disk space of a step. Memory on the GPU stands in `training` and `inference`."""

from __future__ import annotations

from typing import Any

from advisor.domain.architecture import ModelShape
from advisor.domain.estimate import Estimate, EstimateRequest, Range
from advisor.domain.facts import Facts
from advisor.domain.words import ArtifactKind
from advisor.engine.estimate import constants as c
from advisor.engine.estimate import shapes
from advisor.engine.estimate.methods import Method
from advisor.engine.estimate.training import trainable_params

STAGING = 5.0
"""GiB: the largest shard of a checkpoint, read before it goes to the GPU (`max_shard_size`, transformers)."""
CHECKPOINTS = 3
"""Checkpoints on disk at once: the last two and the one being written."""
COMPARING = 1.1 / 0.85
"""RAM over a model's size in 32 bits from which it is compared (`executors/merge/check.py` asks for 1.1 times the size,
and a step may take 85 % of the RAM): a merge is never refused for its comparison."""
RAM_SPREAD = (0.85, 1.35)
"""Low and high factor of a resident size: allocators of the CPU keep freed pages, page cache is not counted."""


def host_memory(
    shape: ModelShape, request: EstimateRequest, method: Method, facts: Facts, found: Estimate | None
) -> Range:
    """GiB of RAM. On a machine without a GPU the step itself runs there; methods that go block by block stream."""
    model = shapes.count_params(shape) * c.HALF / c.GIB
    if facts.has_gpu and method.work == "train":
        expected = c.TORCH_RSS + c.CUDA_HOST_RSS + min(model, STAGING)
        return Range(low=c.TORCH_RSS + 1.0, expected=expected, high=expected + model)
    if method.work == "train" and found is not None:
        logits = found.terms.logits * (c.ANSWER_SHARE if _scores_answers(method, facts) else 1.0)
        freed_each_step = found.terms.activations + logits
        peak = found.peak_gib.expected - (found.terms.logits - logits)
        expected = c.TORCH_RSS + peak + (c.HEAP_FRAGMENTATION - 1) * freed_each_step
        return Range(low=RAM_SPREAD[0] * expected, expected=expected, high=RAM_SPREAD[1] * expected)
    streamed = _streamed(shape, request, method)
    compared = shapes.count_params(shape) * c.FP32 / c.GIB
    if not is_compared(shape, method, facts) or c.TORCH_RSS + compared <= streamed.expected:
        return streamed
    expected = c.TORCH_RSS + compared
    return Range(low=streamed.low, expected=expected, high=RAM_SPREAD[1] * expected)


def is_compared(shape: ModelShape, method: Method, facts: Facts) -> bool:
    """Whether the result will be compared with what it was made of: in 32 bits, with a tenth of room."""
    needed = COMPARING * shapes.count_params(shape) * c.FP32 / c.GIB
    return method.is_compared and facts.ram_gib is not None and needed <= facts.ram_gib


def _scores_answers(method: Method, facts: Facts) -> bool:
    """Supervised training on rows: the executors compute logits at the answers' tokens alone on a CPU."""
    is_supervised = method.batch_factor == 1 and not method.has_teacher and not method.frozen_copies
    return is_supervised and facts.data_kind not in (None, "text", "documents")


def _streamed(shape: ModelShape, request: EstimateRequest, method: Method) -> Range:
    """One block in fp32 with a working copy, the embedding, and calibration inputs of one block."""
    block = shapes.linear_params(shape) / shape.layers * c.FP32
    table = shapes.embedding_params(shape) * c.FP32
    working = max(2 * block, 2 * table) if method.work == "weights" else 2 * block + table
    if method.work == "calibrate":
        working += 2 * c.CALIBRATION_SAMPLES * request.seq_len * shape.hidden * c.FP32
    if method.hessians:
        working += 3 * max(linear.inputs for linear in shapes.linears(shape)) ** 2 * c.FP32
    whole = shapes.count_params(shape) * c.HALF / c.GIB
    expected = c.TORCH_RSS + working / c.GIB
    return Range(
        low=RAM_SPREAD[0] * expected, expected=expected, high=max(RAM_SPREAD[1] * expected, c.TORCH_RSS + whole)
    )


def disk_space(
    shape: ModelShape, request: EstimateRequest, method: Method, produces: ArtifactKind | None, config: dict[str, Any]
) -> Range:
    """GiB that a step writes: its artifact, and checkpoints while it trains."""
    artifact = artifact_bytes(shape, request, method, produces, config) / c.GIB
    scratch = 0.0
    if method.work == "train":
        trained = trainable_params(shape, request, method)
        # What is trained, the masters of what has 16 bits, two states.
        each = trained * (c.FP32 if request.precision == "fp32" else c.HALF + c.FP32) + 2 * trained * c.FP32
        scratch = CHECKPOINTS * each / c.GIB
    return Range(low=artifact, expected=artifact + scratch, high=1.1 * (artifact + 1.5 * scratch))


def artifact_bytes(
    shape: ModelShape, request: EstimateRequest, method: Method, produces: ArtifactKind | None, config: dict[str, Any]
) -> float:
    """Bytes of what a step leaves."""
    params = shapes.count_params(shape)
    if method.trains == "adapter" and produces in (None, ArtifactKind.ADAPTER):
        return trainable_params(shape, request, method) * c.FP32
    if produces is ArtifactKind.GGUF:
        return params * c.GGUF_BITS.get(str(config.get("type", "Q8_0")).lower(), 8.5) / 8
    if produces is ArtifactKind.QUANTIZED_LM:
        bits = float(config.get("bits") or _format_bits(str(config.get("format", request.method))))
        linear = shapes.linear_params(shape)
        return linear * (bits + 0.25) / 8 + (params - linear) * c.HALF
    return float(params * c.HALF)


def _format_bits(name: str) -> float:
    """Bits that a format's name stands for; 4 where it does not say."""
    return 8.0 if "8" in name else 4.0
