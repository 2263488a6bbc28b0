"""A technique put into a stack by a person, with the settings they gave: what it costs then, and whether it fits.

Without settings it is what the engine itself would make of the technique. Settings win over the engine's choice of
batch and length; the estimate follows them. What does not fit keeps its numbers, so that one sees by how much.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from advisor.domain.facts import Facts
from advisor.domain.recommendation import Reason, Rejection
from advisor.domain.technique import Technique
from advisor.engine import carriers
from advisor.engine.eligibility import Candidate, Examiner, refusal
from advisor.engine.estimate.step import estimate_step
from advisor.engine.memory import RAM_SHARE, Ladder


@dataclass(frozen=True)
class Placement:
    """One step as a person wants it. `settings` are keys of the executor's `Config`."""

    technique: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    because: tuple[Reason, ...] = ()


def place(
    examiner: Examiner, technique: Technique, facts: Facts, settings: Mapping[str, Any]
) -> tuple[Candidate, Rejection | None]:
    """The technique as a candidate with these settings, and why it is not possible here, if it is not.

    Raises AdvisorError for a setting that the estimator does not know, e.g. a target that names no layer.
    """
    found = examiner.examine(technique, facts)
    if isinstance(found, Candidate):
        if not settings:
            return found, None
        candidate = _estimated(found, facts, settings)
        return candidate, _misfit(candidate, facts)
    candidate = _estimated(_leanest(technique, facts), facts, settings)
    if settings and refusal(technique, facts) is None and candidate.estimate.ram_gib is not None:
        return candidate, _misfit(candidate, facts)
    return candidate, found


def _leanest(technique: Technique, facts: Facts) -> Candidate:
    """A refused technique in the configuration that misses by least: enough to say what it would cost."""
    if not carriers.is_training(technique):
        return Candidate(technique)
    ways = carriers.carriers(technique, facts) or (None,)
    tried = [(Ladder().fit(carriers.method_of(technique, way), facts), way) for way in ways]
    nearest, carrier = min(tried, key=lambda pair: pair[0].peak_gib)
    return Candidate(technique, {**({"carrier": carrier} if carrier else {}), **nearest.rung.config()})


def _estimated(candidate: Candidate, facts: Facts, settings: Mapping[str, Any]) -> Candidate:
    technique, config = candidate.technique, {**candidate.config, **settings}
    if carriers.is_training(technique):
        method = carriers.method_of(technique, candidate.carrier)
        technique = technique.model_copy(update={"estimate_method": method})
    estimate = estimate_step(technique, facts, {**technique.config, **config})
    return replace(candidate, config=config, estimate=estimate)


def _misfit(candidate: Candidate, facts: Facts) -> Rejection | None:
    """The memory that these settings need and there is not; None when they fit."""
    gpu, ram = candidate.estimate.gpu_gib, candidate.estimate.ram_gib
    if facts.has_gpu and facts.gpu_gib is not None:
        if gpu is not None and gpu.expected > facts.gpu_gib:
            why = f"needs {gpu.expected:.1f} GiB on the GPU with these settings; {facts.gpu_gib:.1f} are free"
            return Rejection(technique=candidate.technique.id, because=why)
        return None
    if ram is None or facts.ram_gib is None or ram.expected <= RAM_SHARE * facts.ram_gib:
        return None
    free = RAM_SHARE * facts.ram_gib
    why = f"needs {ram.expected:.1f} GiB of RAM with these settings; {free:.1f} are free"
    return Rejection(technique=candidate.technique.id, because=why)
