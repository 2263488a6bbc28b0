"""`RunReport`: what came of a run, and what each step changed against the baseline."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from advisor.domain.base import Frozen
from advisor.domain.estimate import Range
from advisor.domain.run import Artifact, Metric, RunStatus, StepStatus


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
