"""Whether a technique is possible in a situation, in which configuration, and if not, why, with its number.

It judges techniques one by one; which of the possible ones is best is decided by `choose`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from advisor.domain.estimate import StepEstimate
from advisor.domain.facts import Facts
from advisor.domain.recommendation import Rejection
from advisor.domain.technique import Technique
from advisor.domain.words import Family
from advisor.engine import carriers, serving, sharing
from advisor.engine.conditions import holds
from advisor.engine.estimate.methods import by_block
from advisor.engine.estimate.step import estimate_step
from advisor.engine.memory import RAM_SHARE, Fit, Ladder, Measure
from advisor.engine.schedule import schedule

HOUR = 3600.0
OVERNIGHT = 10 * HOUR
LONGEST_ON_CPU = 72 * HOUR
"""Three days: a training that a person may still wait for on the machine they work at."""
LONGEST_ON_GPU = 90 * 24 * HOUR
"""A quarter of a year: beyond it the result is out of date before it is there."""


@dataclass(frozen=True)
class Candidate:
    """A technique that is possible here, in the configuration that fits."""

    technique: Technique
    config: dict[str, Any] = field(default_factory=dict)
    estimate: StepEstimate = field(default_factory=StepEstimate)
    measures: tuple[Measure, ...] = ()
    is_tight: bool = False
    fit: Fit | None = None

    @property
    def carrier(self) -> str | None:
        """The technique that carries the training, when it is not the technique itself."""
        found: str | None = self.config.get("carrier")
        return found


class Examiner:
    """Judges techniques on facts. Keeps estimates, since the same ones are asked again when facts are varied."""

    def __init__(self, ladder: Ladder | None = None, known: dict[tuple[Any, ...], StepEstimate] | None = None) -> None:
        self._ladder = ladder or Ladder()
        self._known: dict[tuple[Any, ...], StepEstimate] = {} if known is None else known

    def examine(self, technique: Technique, facts: Facts) -> Candidate | Rejection:
        """The technique as a candidate, or why it is out."""
        refused = refusal(technique, facts)
        if refused is not None:
            return refused
        if carriers.is_training(technique):
            found = self._train(technique, facts)
            return found if isinstance(found, Rejection) else self._within_time(found, facts)
        settings, why = serving.fit(technique.id, facts) if technique.family is Family.QUANTIZE else ({}, "")
        if why:
            return Rejection(technique=technique.id, because=why)
        return self._untrained(Candidate(technique, settings), facts)

    def _train(self, technique: Technique, facts: Facts) -> Candidate | Rejection:
        nearest: Fit | None = None
        tight: Candidate | None = None
        for carrier in carriers.carriers(technique, facts):
            method = carriers.method_of(technique, carrier)
            fit = self._ladder.fit(method, facts, sharing.is_shared({"carrier": carrier}, technique, facts))
            if not fit.fits:
                nearest = fit if nearest is None or fit.peak_gib < nearest.peak_gib else nearest
                continue
            config = {**({"carrier": carrier} if carrier else {}), **fit.rung.config()}
            config |= schedule(config, technique, facts)
            found = Candidate(technique, config, StepEstimate(), fit.measures, fit.is_tight, fit)
            found = self._spread(self._estimated(found, facts, method), facts, method)
            if not fit.is_tight:
                return found
            tight = found
        if tight is not None:
            return tight
        why = nearest.why_not() if nearest else "no way of training it starts from quantized weights"
        return Rejection(technique=technique.id, because=why)

    def _spread(self, found: Candidate, facts: Facts, method: str) -> Candidate:
        """A training that takes longer than a night on one GPU is shared by all of them.

        What can be executed on one GPU within the limit stays there unless sharing was asked for; it is told what
        sharing would save.
        """
        seconds = found.estimate.seconds
        if seconds is None or seconds.expected <= OVERNIGHT or facts.gpu_count < 2 or "gpus" in found.config:
            return found
        asked = sharing.kind(facts)
        shared = replace(found, config={**found.config, "sharding": asked, "gpus": facts.gpu_count})
        shared = self._estimated(shared, facts, method)
        if shared.estimate.seconds is None:
            return found
        saved = f"{span(seconds.expected)} -> {span(shared.estimate.seconds.expected)}"
        is_run_alone = found.technique.is_executable and seconds.expected <= LONGEST_ON_GPU
        if is_run_alone and sharing.why_not_run(shared.config, found.technique, facts):
            told = f"{facts.gpu_count} GPUs could share the work ({saved}); unasked, it runs on one."
            return replace(found, measures=(*found.measures, Measure(sharing.support(facts), told)))
        measure = Measure(sharing.support(facts), f"{facts.gpu_count} GPUs share the work ({saved}).")
        return replace(shared, measures=(*found.measures, measure))

    def _untrained(self, asked: Candidate, facts: Facts) -> Candidate | Rejection:
        """Compression and merging run on the GPUs together, on one of them block by block, or in RAM; the estimate is
        of where it runs."""
        found = self._estimated(asked, facts)
        gpu = found.estimate.gpu_gib
        if gpu is None:
            return self._in_ram(found, facts)
        if gpu.expected <= facts.gpu_total_gib:
            return self._within_time(found, facts)
        streamed = by_block(asked.technique.estimate_method or "")
        if streamed is not None:
            by_one = self._estimated(asked, facts, streamed)
            if by_one.estimate.gpu_gib is not None and by_one.estimate.gpu_gib.expected <= (facts.gpu_gib or 0.0):
                return self._within_time(by_one, facts)
        without = facts.model_copy(update={"has_gpu": False})
        in_ram = self._in_ram(self._estimated(asked, without), without)
        if isinstance(in_ram, Candidate):
            return in_ram
        why = f"needs {gpu.expected:.1f} GiB on the GPU; {facts.gpu_total_gib:.1f} are free. In RAM it"
        return in_ram.model_copy(update={"because": f"{why} {in_ram.because}"})

    def _in_ram(self, found: Candidate, facts: Facts) -> Candidate | Rejection:
        ram = found.estimate.ram_gib
        free = (facts.ram_gib or 0.0) * RAM_SHARE
        if ram is not None and facts.ram_gib is not None and ram.expected > free:
            why = f"needs {ram.expected:.1f} GiB of RAM; {free:.1f} are free"
            return Rejection(technique=found.technique.id, because=why)
        return self._within_time(found, facts)

    def _within_time(self, found: Candidate, facts: Facts) -> Candidate | Rejection:
        seconds = found.estimate.seconds
        limit = LONGEST_ON_GPU if facts.has_gpu else LONGEST_ON_CPU
        if seconds is None or seconds.expected <= limit:
            return found
        where = f"{facts.gpu_count} x {facts.gpu_name}" if facts.has_gpu else f"{facts.cpu_cores or 'these'} CPU cores"
        why = f"would take about {span(seconds.expected)} on {where}; the limit is {span(limit)}"
        return Rejection(technique=found.technique.id, because=why)

    def _estimated(self, found: Candidate, facts: Facts, method: str | None = None) -> Candidate:
        technique = found.technique
        settings = tuple(sorted((key, str(value)) for key, value in found.config.items()))
        machine = (facts.has_gpu, facts.gpu_count, facts.data_examples, facts.model_kind, facts.data_tokens)
        model = (facts.model_shape, facts.model_quantized, facts.teacher_params_b)
        key = (technique.id, method, settings, machine, model, facts.serve_target)
        if key not in self._known:
            if method is not None and method != technique.estimate_method:
                technique = technique.model_copy(update={"estimate_method": method})
            self._known[key] = estimate_step(technique, facts, {**technique.config, **found.config})
        return replace(found, estimate=self._known[key])


def refusal(technique: Technique, facts: Facts) -> Rejection | None:
    """Why a technique is out before any memory is counted: ruled out by the person, or a requirement that fails."""
    if technique.id in facts.avoid:
        return Rejection(technique=technique.id, because="ruled out by you")
    for requirement in technique.requires:
        if not holds(requirement.condition, facts):
            because = requirement.because + (f" {requirement.hint}" if requirement.hint else "")
            return Rejection(technique=technique.id, because=because, source=requirement.source)
    return None


def span(seconds: float) -> str:
    """A duration in the unit a person would use."""
    for unit, size in (("years", 365 * 24 * HOUR), ("days", 24 * HOUR), ("hours", HOUR), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
