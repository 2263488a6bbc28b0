"""Seconds of a step: floating-point operations over the rate the machine reaches, and bytes over its bandwidth.

Rates come from a calibration where there is one, otherwise from the catalogue with a stated efficiency.
"""

from __future__ import annotations

from typing import Any

from advisor.domain.architecture import ModelShape
from advisor.domain.estimate import Range
from advisor.domain.facts import Facts
from advisor.engine.estimate import constants as c
from advisor.engine.estimate import shapes
from advisor.engine.estimate.methods import Method
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


def achieved_flops(facts: Facts, tokens_at_once: float, gpus: int = 1, precision: str = "bf16") -> float:
    """Operations per second that training reaches here in this precision: measured, else typical of the machine."""
    measured = facts.measured_tflops_fp32 if precision == "fp32" else facts.measured_tflops
    if measured is not None:
        return measured * 1e12 * (gpus if facts.has_gpu else 1)
    if not facts.has_gpu:
        return (facts.cpu_cores or 4) * _core_gflops(facts.cpu_features, precision) * 1e9
    busy = c.TRAIN_UTILISATION if tokens_at_once >= c.SATURATING_TOKENS else c.SMALL_UTILISATION
    if tokens_at_once < c.SATURATING_TOKENS:
        busy += (c.TRAIN_UTILISATION - c.SMALL_UTILISATION) * tokens_at_once / c.SATURATING_TOKENS
    return (facts.gpu_tflops_bf16 or c.DEFAULT_GPU_TFLOPS) * 1e12 * busy * gpus


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
        flops = training_flops(shape, method, tokens, at_once.length, recomputes)
        rate = achieved_flops(facts, at_once.tokens, int(config.get("gpus", 1)), precision_of(facts, config))
        work = flops / rate * (c.QLORA_SLOWDOWN if method.quantized_base else 1.0)
    elif method.work == "calibrate":
        work = _calibration_seconds(shape, method, facts, config, seq_len)
    else:
        memory = (facts.measured_bandwidth or c.CPU_BANDWIDTH) * 1e9
        work = 3 * model_bytes / disk  # read, write, verify
        work += c.WEIGHT_PASSES * shapes.count_params(shape) * c.FP32 / memory
    low, high = c.TIME_SPREAD
    if facts.calibration is not None:
        low, high = (1 + low) / 2, (1 + high) / 2
    return Range(low=overhead / 2 + work * low, expected=overhead + work, high=2 * overhead + work * high)


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
    return flops / achieved_flops(facts, tokens, precision=precision_of(facts, config))
