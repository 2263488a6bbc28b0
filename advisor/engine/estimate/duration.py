"""Seconds of a step: floating-point operations over the rate the machine reaches, and bytes over its bandwidth.

Rates come from a calibration where there is one, otherwise from the catalogue with a stated efficiency.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from advisor.domain.architecture import ModelShape
from advisor.domain.estimate import Range
from advisor.domain.facts import Facts
from advisor.engine.estimate import constants as c
from advisor.engine.estimate import shapes
from advisor.engine.estimate.host import is_compared
from advisor.engine.estimate.methods import Method
from advisor.engine.estimate.sharding import by_executors, gathers_of, sends_of
from advisor.engine.estimate.workload import precision_of, training_tokens


def training_flops(shape: ModelShape, method: Method, tokens: float, seq_len: float, recomputes: bool) -> float:
    """Operations of a training: 2N per token forward, 2N for gradients of inputs, 2N for gradients of weights where all
    are trained (Kaplan et al. 2020, section 2.1); recomputation adds a forward pass; attention adds its square."""
    passes = 3.0 if method.trains == "all" else 2.0
    passes += 1.0 if recomputes else 0.0
    per_token = 2.0 * shapes.active_params(shape)
    attention = 2.0 * shape.layers * seq_len * shape.heads * shape.head_dim  # causal: half of 4 s d
    forward_only = method.frozen_copies + (1 if method.has_teacher else 0)
    return tokens * method.batch_factor * (per_token + attention) * (passes + forward_only)


def achieved_flops(facts: Facts, precision: str = "bf16") -> float:
    """Operations per second that the matrices of a training reach here: measured, else typical of the machine."""
    measured = facts.measured_tflops_fp32 if precision == "fp32" else facts.measured_tflops
    if measured is not None:
        return measured * 1e12
    if not facts.has_gpu:
        return (facts.cpu_cores or 4) * _core_gflops(facts.cpu_features, precision) * 1e9
    return (facts.gpu_tflops_bf16 or c.DEFAULT_GPU_TFLOPS) * 1e12 * c.TRAIN_UTILISATION


class Passes(NamedTuple):
    """How a micro batch is passed through a model: its tokens, those of one sequence, recomputation, GPUs, their split
    of the memory."""

    tokens: float
    length: float
    recomputes: bool
    gpus: int = 1
    sharding: str = "none"
    precision: str = "bf16"
    accumulation: int = 1


def micro_batch_seconds(shape: ModelShape, method: Method, facts: Facts, passes: Passes) -> float:
    """Seconds of one micro batch on each GPU (or on the CPU): matrix products, launching kernels, unpacking 4-bit
    weights, gathering sharded ones, and its share of the optimizer's step with what is sent on of it."""
    flops = training_flops(shape, method, passes.tokens, passes.length, passes.recomputes)
    seconds = flops / achieved_flops(facts, passes.precision)
    if not facts.has_gpu:
        return seconds * (c.QLORA_SLOWDOWN if method.quantized_base else 1.0)
    bandwidth = (facts.gpu_bandwidth_gbs or c.DEFAULT_GPU_GBS) * 1e9
    times = 3 if passes.recomputes else 2
    if facts.measured_tflops is None:
        seconds += c.LAUNCH_SECONDS * shape.layers * times / 2
    weights = shapes.linear_params(shape)
    if method.quantized_base:
        seconds += times * weights * c.DEQUANTIZE_BYTES / (bandwidth * c.DEQUANTIZE_SHARE)
    if passes.gpus > 1:
        seconds += _link_seconds(shape, method, passes, gathers_of(passes.sharding, times), bandwidth)
    if method.trains == "all":
        share = 1 if passes.sharding in ("none", "ddp") else passes.gpus
        seconds += shapes.count_params(shape) * c.OPTIMIZER_BYTES / bandwidth / share / passes.accumulation
    return seconds


def _link_seconds(shape: ModelShape, method: Method, passes: Passes, gathers: int, bandwidth: float) -> float:
    """Seconds of a micro batch in which a GPU gets weights from the others: sharded ones, so often gathered, and its
    share of what an optimizer step changed. What is sent of an adapter is too small to count."""
    link = c.LINK_GBS["nvlink" if bandwidth >= c.LINKED_FROM_GBS * 1e9 else "pcie"] * 1e9
    size = gathers * shapes.linear_params(shape) * (c.NF4_BYTES if method.quantized_base else c.HALF)
    if method.trains == "all":
        size += sends_of(passes.sharding) * shapes.count_params(shape) * c.HALF / passes.accumulation
    return size * (1 - 1 / passes.gpus) / link


def _core_gflops(features: tuple[str, ...], precision: str) -> float:
    """GFLOP/s of one core. A format that the processor does not multiply is emulated, at best as fast as fp32."""
    known = c.CPU_BF16_GFLOPS if precision == "bf16" else {}
    for feature, rate in {**known, **c.CPU_FP32_GFLOPS}.items():
        if feature in features:
            return rate
    return c.CPU_GFLOPS_PER_CORE


def step_seconds(shape: ModelShape, method: Method, facts: Facts, config: dict[str, Any], seq_len: int) -> Range:
    """Duration of one step with its uncertainty: half as wide where the machine was measured."""
    model_bytes = shapes.count_params(shape) * float(c.HALF)
    disk = (facts.measured_disk_mbs or c.DISK_MB_S) * 1e6
    overhead = c.START_SECONDS[method.start or method.work] + model_bytes / disk
    if method.work == "train":
        tokens, at_once = training_tokens(facts, config)
        recomputes = bool(config.get("gradient_checkpointing", facts.has_gpu))
        gpus = int(config.get("gpus", 1))
        passes = Passes(
            at_once.tokens,
            at_once.length,
            recomputes,
            gpus,
            by_executors(config.get("sharding", "fsdp")),
            precision_of(facts, config),
            int(config.get("accumulation") or 1),
        )
        count = tokens / (at_once.tokens * (gpus if facts.has_gpu else 1))
        work = _training_seconds(shape, method, facts, passes, count, config)
    elif method.work == "calibrate":
        work = _calibration_seconds(shape, method, facts, config, seq_len)
    else:
        memory = (facts.measured_bandwidth or c.CPU_BANDWIDTH) * 1e9
        work = 3 * model_bytes / disk  # read, write, verify
        work += 2 * model_bytes / disk if is_compared(shape, method, facts) else 0.0  # both are read once more
        work += c.WEIGHT_PASSES * shapes.count_params(shape) * c.FP32 / memory
    low, high = c.TIME_SPREAD
    if facts.calibration is not None or facts.measured_tflops is not None:
        low, high = (1 + low) / 2, (1 + high) / 2
    return Range(low=overhead / 2 + work * low, expected=overhead + work, high=2 * overhead + work * high)


def _training_seconds(
    shape: ModelShape, method: Method, facts: Facts, passes: Passes, count: float, config: dict[str, Any]
) -> float:
    """All micro batches. Where completions are written first, each row is that many rows, longer by what was written,
    and the writing reads all weights once per token of an optimizer step's completions (TRL writes them together)."""
    if not method.writes:
        return count * micro_batch_seconds(shape, method, facts, passes)
    written = int(config.get("max_completion_length") or config.get("max_new_tokens") or c.WRITTEN_TOKENS)
    copies = int(config.get("num_generations") or method.writes)
    length = passes.length + written
    longer = passes._replace(tokens=passes.tokens * length / passes.length, length=length)
    bandwidth = (facts.gpu_bandwidth_gbs or c.DEFAULT_GPU_GBS) if facts.has_gpu else c.CPU_BANDWIDTH
    token = shapes.active_params(shape) * c.HALF / (bandwidth * 1e9)
    if facts.has_gpu:
        token = max(token, shape.layers * c.DECODE_LAUNCH_SECONDS)
    else:
        token += 2.0 * shapes.active_params(shape) * passes.tokens / passes.length / achieved_flops(facts)
    at_once = max(1, passes.accumulation)
    return count * copies * (micro_batch_seconds(shape, method, facts, longer) + written * token / at_once)


def _calibration_seconds(
    shape: ModelShape, method: Method, facts: Facts, config: dict[str, Any], seq_len: int
) -> float:
    """Two forward passes over the calibration text, and for second-order methods the solves: a Hessian from the inputs
    and its inverse (d^3) for every matrix, then one pass over its columns."""
    tokens = float(config.get("sequences", c.CALIBRATION_SAMPLES)) * seq_len
    flops = 2 * tokens * 2.0 * shapes.active_params(shape)
    if method.hessians:
        for linear in shapes.linears(shape):
            flops += linear.copies * (2 * tokens * linear.inputs**2 + linear.inputs**3 + linear.size * linear.inputs)
    return flops / achieved_flops(facts, precision_of(facts, config))
