"""`Run`, `RunState`, `Evaluation`, `RunReport`: one execution, where it stands, what came of it.

`RunState` is a fold over events: a front end needs nothing else to draw a run.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from advisor.domain.base import Frozen, Lenient
from advisor.domain.estimate import Range
from advisor.domain.event import (
    ArtifactWritten,
    DiagnosticRaised,
    Event,
    LogWritten,
    MetricReported,
    ResourceSampled,
    RunFinished,
    RunStarted,
    StepFinished,
    StepProgress,
    StepStarted,
)

RunStatus = Literal["pending", "running", "done", "failed", "stopped", "interrupted"]
"""interrupted: no run.finished event and nobody holds the lock."""
StepStatus = Literal["pending", "running", "evaluating", "done", "skipped", "failed", "stopped"]

SERIES_POINTS = 2000
"""Points kept of each series; older ones are thinned by dropping every second."""
LOG_LINES = 500


class Metric(Lenient):
    """One measured quantity of a model."""

    name: str
    value: float
    unit: str = ""
    higher_is_better: bool | None = None


class Evaluation(Lenient):
    """`evaluation.json`: what was measured of a model on the held-out set. `per_example` pairs it with others."""

    metrics: tuple[Metric, ...] = ()
    per_example: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    """Metric -> value per held-out example, in the fixed order of the set (held_out_loss, accuracy)."""
    weights: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    """Metric -> weight per example (tokens), where its mean is weighted."""
    samples: tuple[dict[str, str], ...] = ()
    """Prompt and answer of a few generations."""
    notes: tuple[str, ...] = ()

    def value(self, name: str) -> float | None:
        """The metric of that name, or None."""
        return next((m.value for m in self.metrics if m.name == name), None)


class Artifact(Frozen):
    kind: str
    path: str
    bytes: int = 0
    sha256: str = ""


class StepState(Frozen):
    """Where one step stands."""

    number: int
    technique: str = ""
    status: StepStatus = "pending"
    done: float = 0.0
    total: float | None = None
    unit: str = ""
    what: str = ""
    started: float | None = None
    seconds: float = 0.0
    metrics: dict[str, float] = Field(default_factory=dict)
    """Latest value of each metric reported in the step."""
    series: dict[str, tuple[tuple[float, float], ...]] = Field(default_factory=dict)
    """Metric -> (x, y) points, for plots."""
    evaluation: dict[str, Any] = Field(default_factory=dict)
    artifacts: tuple[Artifact, ...] = ()
    peak_rss_gib: float | None = None
    peak_gpu_gib: float | None = None
    reason: str = ""

    @property
    def fraction(self) -> float | None:
        """Share done, 0 to 1; None when the total is not known."""
        return min(1.0, self.done / self.total) if self.total else None


class RunState(Frozen):
    """Where a run stands after some events."""

    status: RunStatus = "pending"
    steps: tuple[StepState, ...] = ()
    """The baseline (number 0) first."""
    current: int | None = None
    started: float | None = None
    updated: float | None = None
    last_seq: int = 0
    rss_gib: float | None = None
    gpu_gib: float | None = None
    memory: tuple[tuple[float, float], ...] = ()
    """(seconds since start, GiB of the worker) samples."""
    diagnostics: tuple[DiagnosticRaised, ...] = ()
    log: tuple[str, ...] = ()
    exit_code: int | None = None
    reason: str = ""

    def after(self, event: Event) -> RunState:
        """The state once `event` has happened."""
        state = self.model_copy(
            update={"last_seq": max(self.last_seq, event.seq), "updated": event.time or self.updated}
        )
        match event:
            case RunStarted():
                return state._run_started(event)
            case StepStarted():
                status: StepStatus = "evaluating" if event.phase == "evaluate" else "running"
                change = {"status": status, "technique": event.technique, "done": 0.0, "total": None, "what": ""}
                step = state._step(event.step)
                if step.started is None:
                    change["started"] = event.time
                return state._with(event.step, **change).model_copy(update={"current": event.step})
            case StepProgress():
                return state._with(event.step, done=event.done, total=event.total, unit=event.unit, what=event.what)
            case MetricReported():
                return state._measured(event)
            case ArtifactWritten():
                artifact = Artifact(kind=event.kind, path=event.path, bytes=event.bytes, sha256=event.sha256)
                kept = tuple(a for a in state._step(event.step).artifacts if a.path != artifact.path)
                return state._with(event.step, artifacts=(*kept, artifact))
            case DiagnosticRaised():
                return state.model_copy(update={"diagnostics": (*self.diagnostics, event)})
            case LogWritten():
                return state.model_copy(update={"log": (*self.log, event.text)[-LOG_LINES:]})
            case ResourceSampled():
                return state._sampled(event)
            case StepFinished():
                return state._step_finished(event)
            case RunFinished():
                update = {"status": event.status, "exit_code": event.exit_code, "reason": event.reason, "current": None}
                return state.model_copy(update=update)

    def _step(self, number: int | None) -> StepState:
        found = next((s for s in self.steps if s.number == number), None)
        return found or StepState(number=number or 0)

    def _with(self, number: int | None, **change: Any) -> RunState:
        changed = self._step(number).model_copy(update=change)
        if any(s.number == changed.number for s in self.steps):
            steps = tuple(changed if s.number == changed.number else s for s in self.steps)
        else:
            steps = tuple(sorted((*self.steps, changed), key=lambda s: s.number))
        return self.model_copy(update={"steps": steps})

    def _run_started(self, event: RunStarted) -> RunState:
        known = {s.number: s for s in self.steps}
        steps = tuple(known.get(n, StepState(number=n, technique=t)) for n, t in enumerate(event.steps))
        update = {
            "status": "running",
            "steps": steps,
            "started": self.started or event.time,
            "exit_code": None,
            "reason": "",
        }
        return self.model_copy(update=update)

    def _measured(self, event: MetricReported) -> RunState:
        if event.value is None:
            return self
        step = self._step(event.step)
        change: dict[str, Any] = {"metrics": {**step.metrics, event.name: event.value}}
        if event.at is not None:
            points = (*step.series.get(event.name, ()), (event.at, event.value))
            if len(points) > SERIES_POINTS:
                points = (*points[: SERIES_POINTS // 2 : 2], *points[SERIES_POINTS // 2 :])
            change["series"] = {**step.series, event.name: points}
        return self._with(event.step, **change)

    def _sampled(self, event: ResourceSampled) -> RunState:
        gib = event.gpu_gib if event.gpu_gib is not None else event.rss_gib
        memory = self.memory
        if gib is not None and self.started is not None:
            memory = (*memory, (event.time - self.started, gib))
            if len(memory) > SERIES_POINTS:
                memory = (*memory[: SERIES_POINTS // 2 : 2], *memory[SERIES_POINTS // 2 :])
        return self.model_copy(update={"rss_gib": event.rss_gib, "gpu_gib": event.gpu_gib, "memory": memory})

    def _step_finished(self, event: StepFinished) -> RunState:
        step = self._step(event.step)
        change: dict[str, Any] = {"seconds": step.seconds + event.seconds, "reason": event.reason}
        if event.phase == "evaluate":
            change["evaluation"] = event.metrics
            change["status"] = "done" if event.status in ("done", "skipped") else event.status
        else:
            change["status"] = event.status
            change["peak_rss_gib"] = event.peak_rss_gib
            change["peak_gpu_gib"] = event.peak_gpu_gib
        return self._with(event.step, **change)


class Run(Lenient):
    """`run.json`: what a run is, beside its plan."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    name: str = ""
    created: float = 0.0
    plan_sha256: str = ""
    threads: int | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    machine: dict[str, Any] = Field(default_factory=dict)


class Comparison(Frozen):
    """One metric, one step against the baseline (or the step before), paired over examples where possible."""

    metric: str
    unit: str = ""
    before: float | None = None
    after: float | None = None
    difference: Range | None = None
    """Relative change with a 95 % paired bootstrap interval, where examples can be paired."""


class StepReport(Frozen):
    number: int
    technique: str
    status: StepStatus
    seconds: float = 0.0
    metrics: tuple[Metric, ...] = ()
    against_baseline: tuple[Comparison, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    predicted_ram_gib: float | None = None
    measured_ram_gib: float | None = None
    predicted_gpu_gib: float | None = None
    measured_gpu_gib: float | None = None
    predicted_seconds: float | None = None
    reason: str = ""


class RunReport(Frozen):
    """`report.json`: what came of a run."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    name: str
    status: RunStatus
    folder: str = ""
    model: str = ""
    seconds: float = 0.0
    steps: tuple[StepReport, ...] = ()
    diagnostics: tuple[dict[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    reason: str = ""
