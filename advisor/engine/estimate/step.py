"""What one step of a stack costs here: memory on the GPU and of the host, disk, seconds, and expected quality.

Called hundreds of times while a stack is put together: arithmetic only, well under a millisecond.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from advisor.domain.estimate import Basis, Quality, Range, StepEstimate
from advisor.domain.facts import Facts
from advisor.domain.measurement import Correction, Quantity
from advisor.domain.technique import Technique
from advisor.domain.words import Family
from advisor.engine.estimate import constants as c
from advisor.engine.estimate import effective_method, estimate
from advisor.engine.estimate.corrections import corrected, correction_of, note_of
from advisor.engine.estimate.duration import step_seconds
from advisor.engine.estimate.host import disk_space, host_memory
from advisor.engine.estimate.quality import expected_quality
from advisor.engine.estimate.shapes import count_params
from advisor.engine.estimate.workload import method_name, model_shape, request_of, training_tokens

CHUNK_TOKENS, EMBEDDING_WIDTH = 256, 1024
"""Tokens of a chunk and width of its vector in a retrieval index: common values of embedding models."""
INDEX_ON_DISK = 64
"""Bytes per vector in memory where the vectors themselves stay on disk (DiskANN, NeurIPS 2019: 64 GB for 10^9)."""
INDEX_SHARE = 0.5
"""Of the RAM: a larger index is kept on disk."""
INDEX_PROCESS = 1.0
"""GiB: an embedding model of some hundred million parameters with its runtime."""


def estimate_step(technique: Technique, facts: Facts, config: dict[str, Any]) -> StepEstimate:
    """The cost of a technique as a step of a stack, in the configuration given.

    Everything is None where it does not apply: prompts, APIs and what only accompanies a step cost nothing here.
    Raises `AdvisorError` for a method, optimizer or target that is not known.
    """
    quality = expected_quality(technique, facts, config)
    if technique.family is Family.RETRIEVE and technique.role == "step":
        return _index(facts, quality)
    method_word, shape = method_name(technique, config), model_shape(facts)
    if method_word is None or shape is None:
        return StepEstimate(quality=quality)
    request = request_of(method_word, shape, facts, config)
    method, _ = effective_method(request)
    student = request.shape or shape
    runs_on_gpu = facts.has_gpu and method.work != "weights"  # merging and rounding stream through the host
    found = estimate(request) if runs_on_gpu or method.work == "train" else None
    costs: dict[Quantity, Range] = {
        "ram_gib": host_memory(student, request, method, facts, found),
        "seconds": step_seconds(student, method, facts, config, request.seq_len),
    }
    if found and runs_on_gpu:
        parked = found.terms.weights if config.get("offload") else 0.0
        costs["gpu_gib"] = _shifted(found.peak_gib, -parked)
        costs["ram_gib"] = _shifted(costs["ram_gib"], parked * request.gpus)
    taken = _corrections(facts, method_word, technique.family, tuple(costs))
    costs = {quantity: corrected(value, taken.get(quantity)) for quantity, value in costs.items()}
    tokens = training_tokens(facts, config)[0] if method.work == "train" else 0.0
    return StepEstimate.model_construct(
        gpu_gib=costs.get("gpu_gib"),
        ram_gib=costs["ram_gib"],
        disk_gib=disk_space(student, request, method, technique.produces, config),
        seconds=costs["seconds"],
        quality=quality,
        terms=found.terms if found else None,
        notes=_notes(facts, taken.values()),
        basis=_basis(facts, method_word, count_params(student), tokens, taken),
    )


def _basis(facts: Facts, method: str, params: int, tokens: float, taken: dict[Quantity, Correction]) -> Basis:
    """What a prediction rests on, so that the run that follows can correct the next one."""
    return Basis.model_construct(
        version=c.FORMULAS,
        method=method,
        params=params,
        tokens=tokens,
        calibration=facts.calibration or "",
        machine=facts.machine or "",
        factors={str(quantity): each.ratio for quantity, each in taken.items()},
        settings="",
    )


def _shifted(value: Range, gib: float) -> Range:
    """The same range with so many GiB more: weights that are parked in RAM leave the GPU."""
    return Range(low=max(0.0, value.low + gib), expected=value.expected + gib, high=value.high + gib)


def _corrections(
    facts: Facts, method: str, family: Family, quantities: tuple[Quantity, ...]
) -> dict[Quantity, Correction]:
    """Those that apply. A method's time may follow its family's on this machine; memory is each method's own."""
    found = {q: correction_of(facts, q, method, family if q == "seconds" else None) for q in quantities}
    return {quantity: each for quantity, each in found.items() if each is not None}


def _notes(facts: Facts, taken: Iterable[Correction]) -> tuple[str, ...]:
    notes = ["time from the speed measured on this machine"] if facts.calibration is not None else []
    return (*notes, *map(note_of, taken))


def _index(facts: Facts, quality: Quality) -> StepEstimate:
    """A retrieval index: one fp32 vector per chunk, held in memory and written to disk; only codes of the vectors are
    in memory where they would take too much of it. An index over data of unknown size has no numbers."""
    if not facts.data_tokens:
        return StepEstimate(quality=quality)
    chunks = facts.data_tokens / CHUNK_TOKENS
    gib = held = chunks * EMBEDDING_WIDTH * c.FP32 / c.GIB
    notes: tuple[str, ...] = ()
    if facts.ram_gib is not None and gib > INDEX_SHARE * facts.ram_gib:
        held = chunks * INDEX_ON_DISK / c.GIB
        notes = (f"{gib:.0f} GiB of vectors: an index that keeps them on disk and only their codes in memory",)
    return StepEstimate(
        ram_gib=Range(low=INDEX_PROCESS / 2 + held, expected=INDEX_PROCESS + held, high=INDEX_PROCESS + 3 * held),
        disk_gib=Range(low=gib, expected=1.5 * gib, high=3 * gib),
        quality=quality,
        notes=notes,
    )
