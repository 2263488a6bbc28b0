"""`RunState`, `Evaluation`: where an execution stands, and what was measured.

`RunState` is a fold over events: a front end needs nothing else to draw a run.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from advisor.domain.base import Frozen, Lenient
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
StepStatus = Literal["pending", "running", "evaluating", "done", "skipped", "failed", "stopped", "rolled-back"]
"""rolled-back: done or not, the chain goes on without it."""

SERIES_POINTS = 2000
"""Points kept of each series; older ones are thinned by dropping every second."""
LOG_LINES = 500
LONGEST_SILENCE = 60.0
"""Seconds. Memory is sampled each second, so a longer gap between two events is the clock, not work."""
LEAST_SHARE = 0.02
"""Share of a phase that must be done before its pace says anything."""
_UNBEGUN: dict[str, Any] = {"done": 0.0, "total": None, "what": "", "paced_from": None}


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
    identity: str = ""
    """Stamped by the worker: hash of what was measured and how. It counts only while that has not changed."""

    def value(self, name: str) -> float | None:
        """The metric of that name, or None."""
        return next((m.value for m in self.metrics if m.name == name), None)


class Artifact(Frozen):
    kind: str
    path: str
    bytes: int = 0
    sha256: str = ""


class Attempt(Frozen):
    """A step as it was tried and refused by its gate."""

    settings: dict[str, Any] = Field(default_factory=dict)
    """Those that differ from the plan's."""
    metrics: dict[str, Any] = Field(default_factory=dict)
    reason: str = ""


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
    paced_from: tuple[float, float] | None = None
    """(the run's elapsed seconds, share done) at this attempt's first progress: its pace counts from there."""
    seconds: float = 0.0
    """Of its work, all attempts together."""
    evaluation_seconds: float = 0.0
    metrics: dict[str, float] = Field(default_factory=dict)
    """Latest value of each metric reported in the step."""
    series: dict[str, tuple[tuple[float, float], ...]] = Field(default_factory=dict)
    """Metric -> (x, y) points, for plots."""
    evaluation: dict[str, Any] = Field(default_factory=dict)
    artifacts: tuple[Artifact, ...] = ()
    peak_rss_gib: float | None = None
    peak_gpu_gib: float | None = None
    disk_gib: float | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    """Those it was done with that differ from the plan's."""
    attempts: tuple[Attempt, ...] = ()
    """How it was tried before, and refused."""
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
    elapsed: float = 0.0
    """Seconds at work. Neither the time between a stop and a resume nor a jump of the clock counts."""
    last_seq: int = 0
    rss_gib: float | None = None
    gpu_gib: float | None = None
    memory: tuple[tuple[float, float], ...] = ()
    """(elapsed seconds, GiB of the worker) samples."""
    diagnostics: tuple[DiagnosticRaised, ...] = ()
    log: tuple[str, ...] = ()
    exit_code: int | None = None
    reason: str = ""

    @property
    def seconds_left(self) -> float | None:
        """Seconds the current phase still takes at its pace so far; None while that cannot be said."""
        step = next((s for s in self.steps if s.number == self.current), None)
        if step is None or step.paced_from is None or step.fraction is None:
            return None
        passed, done = self.elapsed - step.paced_from[0], step.fraction - step.paced_from[1]
        return passed / done * (1 - step.fraction) if passed > 0 and done >= LEAST_SHARE else None

    def after(self, event: Event) -> RunState:
        """The state once `event` has happened."""
        state = self._at(event)
        match event:
            case RunStarted():
                return state._run_started(event)
            case StepStarted():
                return state._step_started(event)
            case StepProgress():
                return state._progressed(event)
            case MetricReported():
                return state._measured(event)
            case ArtifactWritten():
                artifact = Artifact(kind=event.kind, path=event.path, bytes=event.bytes, sha256=event.sha256)
                kept = tuple(a for a in state._step(event.step).artifacts if a.path != artifact.path)
                return state._with(event.step, artifacts=(*kept, artifact))
            case DiagnosticRaised():
                return state.model_copy(update={"diagnostics": (*self.diagnostics, event)[-LOG_LINES:]})
            case LogWritten():
                return state.model_copy(update={"log": (*self.log, event.text)[-LOG_LINES:]})
            case ResourceSampled():
                return state._sampled(event)
            case StepFinished():
                return state._step_finished(event)
            case RunFinished():
                update = {"status": event.status, "exit_code": event.exit_code, "reason": event.reason, "current": None}
                return state.model_copy(update=update)

    def _at(self, event: Event) -> RunState:
        """The clock and the sequence number moved on to `event`."""
        passed = event.time - self.updated if self.updated is not None and not isinstance(event, RunStarted) else 0.0
        update = {
            "last_seq": max(self.last_seq, event.seq),
            "updated": event.time or self.updated,
            "elapsed": self.elapsed + (passed if 0 < passed < LONGEST_SILENCE else 0.0),
        }
        return self.model_copy(update=update)

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

    def _step_started(self, event: StepStarted) -> RunState:
        status: StepStatus = "evaluating" if event.phase == "evaluate" else "running"
        change = {"status": status, "technique": event.technique, **_UNBEGUN}
        if event.phase == "work":
            change["settings"] = event.settings
        if self._step(event.step).started is None:
            change["started"] = event.time
        return self._with(event.step, **change).model_copy(update={"current": event.step})

    def _progressed(self, event: StepProgress) -> RunState:
        step, change = self._step(event.step), event.model_dump(include={"done", "total", "unit", "what"})
        moved = step.model_copy(update=change)
        if moved.fraction is not None and (step.paced_from is None or step.paced_from[1] > moved.fraction):
            change["paced_from"] = (self.elapsed, moved.fraction)
        return self._with(event.step, **change)

    def _measured(self, event: MetricReported) -> RunState:
        if event.value is None:
            return self
        step = self._step(event.step)
        change: dict[str, Any] = {"metrics": {**step.metrics, event.name: event.value}}
        if event.at is not None:
            # Work repeated after an interruption takes the place of what was reported before it.
            kept = step.series.get(event.name, ())
            if kept and kept[-1][0] >= event.at:
                kept = tuple(point for point in kept if point[0] < event.at)
            change["series"] = {**step.series, event.name: _thinned((*kept, (event.at, event.value)))}
        return self._with(event.step, **change)

    def _sampled(self, event: ResourceSampled) -> RunState:
        gib = event.gpu_gib if event.gpu_gib is not None else event.rss_gib
        memory = self.memory
        if gib is not None:
            memory = _thinned((*memory, (self.elapsed, gib)))
        return self.model_copy(update={"rss_gib": event.rss_gib, "gpu_gib": event.gpu_gib, "memory": memory})

    def _step_finished(self, event: StepFinished) -> RunState:
        step = self._step(event.step)
        change: dict[str, Any] = {"reason": event.reason}
        if event.phase == "evaluate":
            change["evaluation_seconds"] = step.evaluation_seconds + event.seconds
            if event.status == "retried":
                tried = Attempt(settings=step.settings, metrics=event.metrics, reason=event.reason)
                known = tuple(attempt for attempt in step.attempts if attempt.settings != tried.settings)
                return self._with(event.step, **change, attempts=(*known, tried), evaluation={}, status="pending")
            change["evaluation"] = event.metrics or step.evaluation
            change["status"] = "done" if event.status in ("done", "skipped") else event.status
        else:
            change["seconds"] = step.seconds + event.seconds
            change["status"] = event.status
            change["peak_rss_gib"] = _larger(step.peak_rss_gib, event.peak_rss_gib)
            change["peak_gpu_gib"] = _larger(step.peak_gpu_gib, event.peak_gpu_gib)
            change["disk_gib"] = _larger(step.disk_gib, event.disk_gib)
        return self._with(event.step, **change)


def _thinned(points: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    """At most `SERIES_POINTS` points: the older half loses every second one."""
    if len(points) <= SERIES_POINTS:
        return points
    return (*points[: SERIES_POINTS // 2 : 2], *points[SERIES_POINTS // 2 :])


def _larger(first: float | None, second: float | None) -> float | None:
    return max((v for v in (first, second) if v is not None), default=None)
