"""What to change when a step does not fit, and what each change buys, the least costly first.

Each rung is tried on top of those before it, so the savings add up. It chooses nothing: a rung that does not apply, or
saves less than a hundredth of a GiB, is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from advisor.domain.estimate import EstimateQuant, EstimateRequest
from advisor.engine.estimate import effective_method, estimate
from advisor.engine.estimate.methods import method_of
from advisor.engine.estimate.precision import is_quantized

SHORTEST = 512
"""Tokens below which a sequence is not cut: instructions rarely stay whole."""
LEAST_SAVING = 0.01
"""GiB."""


class Fix(NamedTuple):
    """One rung: what is changed, what it saves beyond the rungs before, the peak then, and the request to repeat it."""

    change: str
    saved_gib: float
    peak_gib: float
    request: EstimateRequest
    fits: bool


def fixes(request: EstimateRequest, limit_gib: float, gpus: int = 1) -> tuple[Fix, ...]:
    """The rungs down to the first that fits `limit_gib` per GPU, or all of them. Empty when the request fits as it is.

    `gpus`: how many GPUs of that kind there are to share the model. Raises `AdvisorError` as `estimate` does.
    """
    peak = estimate(request).peak_gib.expected
    found: list[Fix] = []
    for rung in _RUNGS:
        if peak <= limit_gib:
            break
        for change, changed in rung(request, gpus):
            after = estimate(changed).peak_gib.expected
            if peak - after < LEAST_SAVING:
                continue
            found.append(Fix(change, peak - after, after, changed, after <= limit_gib))
            request, peak = changed, after
            if peak <= limit_gib:
                break
    return tuple(found)


Changes = Iterator[tuple[str, EstimateRequest]]


def _with(request: EstimateRequest, **change: object) -> EstimateRequest:
    return request.model_copy(update=change)


def _is_training(request: EstimateRequest) -> bool:
    return effective_method(request)[0].work == "train"


def _smaller_batch(request: EstimateRequest, gpus: int) -> Changes:
    batch, accumulation = request.micro_batch, request.accumulation
    while batch > 1:
        smaller = (batch + 1) // 2
        accumulation = -(-accumulation * batch // smaller) if _is_training(request) else accumulation
        note = f", accumulated over {accumulation}" if _is_training(request) else ""
        batch = smaller
        yield f"micro-batch {batch}{note}", _with(request, micro_batch=batch, accumulation=accumulation)


def _checkpointing(request: EstimateRequest, gpus: int) -> Changes:
    if _is_training(request) and not request.gradient_checkpointing:
        yield "gradient checkpointing, for a third more time", _with(request, gradient_checkpointing=True)


def _flash(request: EstimateRequest, gpus: int) -> Changes:
    if request.attention == "eager":
        yield "flash attention", _with(request, attention="flash")


def _optimizer(request: EstimateRequest, gpus: int) -> Changes:
    if _is_training(request) and request.optimizer == "adamw":
        yield "optimizer states in 8 bits", _with(request, optimizer="adamw-8bit")


def _sixteen_bits(request: EstimateRequest, gpus: int) -> Changes:
    if request.precision == "fp32":
        yield "bf16 instead of fp32", _with(request, precision="bf16")


def _adapter(request: EstimateRequest, gpus: int) -> Changes:
    method, name = method_of(request.method)
    if method.trains == "all" and name in ("full", "pretrain", "dpo", "kto", "orpo", "grpo", "distill"):
        changed = "lora" if name in ("full", "pretrain") else f"{name}-lora"
        yield f"{changed}: an adapter instead of all weights", _with(request, method=changed)


def _four_bits(request: EstimateRequest, gpus: int) -> Changes:
    method, _ = effective_method(request)
    usable = method.trains == "adapter" or method.work == "inference"
    if usable and not is_quantized(request.quant, method):
        quant = EstimateQuant(bits=4, type="nf4", double=True)
        yield (
            "weights in 4 bits (QLoRA)" if method.trains == "adapter" else "weights in 4 bits",
            _with(request, quant=quant),
        )


def _shorter(request: EstimateRequest, gpus: int) -> Changes:
    length = request.seq_len
    while length // 2 >= SHORTEST:
        length //= 2
        yield f"sequences of {length} tokens", _with(request, seq_len=length)


def _shared(request: EstimateRequest, gpus: int) -> Changes:
    if gpus > request.gpus:
        sharding = "fsdp" if _is_training(request) else request.sharding
        yield f"shared over {gpus} GPUs", _with(request, gpus=gpus, sharding=sharding)


_RUNGS: tuple[Callable[[EstimateRequest, int], Changes], ...] = (
    _flash,
    _smaller_batch,
    _checkpointing,
    _sixteen_bits,
    _optimizer,
    _shared,
    _adapter,
    _four_bits,
    _shorter,
)
