"""Seconds of the evaluations of a run: one of the baseline, and one after every step that leaves something to measure.

The same rates as for steps: floating-point operations over what the machine reaches, and bytes over its bandwidth
where tokens are written. What an evaluation asks is what the plan says (`advisor.engine.measured`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from advisor.domain.architecture import ModelShape
from advisor.domain.estimate import Range
from advisor.domain.facts import Facts
from advisor.engine.estimate import constants as c
from advisor.engine.estimate import shapes
from advisor.engine.estimate.duration import achieved_flops
from advisor.engine.estimate.workload import precision_of, row_length

_ANSWERED = ("answers", "tool_calls", "following", "rewards", "safety", "questions")
"""Keys of an evaluation's configuration that count requests to be answered in writing."""


def evaluation_seconds(shape: ModelShape, facts: Facts, config: Mapping[str, Any]) -> Range:
    """One evaluation of a model of this shape, as configured, with its uncertainty."""
    read, written = read_tokens(facts, config), written_tokens(config)
    flops = 2.0 * shapes.active_params(shape) * (read + written)
    rate = achieved_flops(facts, precision_of(facts, {})) * (1.0 if facts.has_gpu else c.FORWARD_GAIN)
    work = flops / rate + written * _token_seconds(shape, facts)
    disk = (facts.measured_disk_mbs or c.DISK_MB_S) * 1e6
    overhead = c.START_SECONDS["inference"] + shapes.count_params(shape) * float(c.HALF) / disk
    low, high = c.TIME_SPREAD
    if facts.calibration is not None or facts.measured_tflops is not None:
        low, high = (1 + low) / 2, (1 + high) / 2
    return Range(low=overhead / 2 + work * low, expected=overhead + work, high=2 * overhead + work * high)


def read_tokens(facts: Facts, config: Mapping[str, Any]) -> float:
    """Tokens passed through the model at once: held-out rows, further data, questions with each of their choices, and
    the prompts by which speed is measured."""
    seq_len = int(config.get("seq_len", c.EVALUATED_TOKENS))
    rows = int(config.get("max_examples", 0)) * row_length(facts, seq_len)
    for probe in config.get("probes", {}).values():
        rows += int(probe.get("max_examples") or config.get("max_examples", 0)) * seq_len
    choices = int(config.get("multiple_choice", 0)) * c.CHOICES * c.CHOICE_TOKENS
    asked = sum(int(config.get(key, 0)) for key in _ANSWERED) * c.ASKED_TOKENS
    return rows + choices + asked + c.SPEED_TOKENS


def written_tokens(config: Mapping[str, Any]) -> float:
    """Tokens written one after another: answers, samples and the timed generation."""
    each = int(config.get("answer_tokens", c.ANSWER_TOKENS))
    answered = sum(int(config.get(key, 0)) for key in _ANSWERED)
    timed = int(config.get("generate_tokens", 0))
    return answered * each + (timed + c.SAMPLE_TOKENS if timed else 0)


def _token_seconds(shape: ModelShape, facts: Facts) -> float:
    """Reading all weights once per token written, and on a GPU no less than the launching of its kernels."""
    size = shapes.active_params(shape) * float(c.HALF)
    if facts.has_gpu:
        bandwidth = (facts.gpu_bandwidth_gbs or c.DEFAULT_GPU_GBS) * 1e9
        return max(size / bandwidth, shape.layers * c.DECODE_LAUNCH_SECONDS)
    return size / ((facts.measured_bandwidth or c.CPU_BANDWIDTH) * 1e9)
