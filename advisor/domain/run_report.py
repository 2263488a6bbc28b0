"""`RunReport`: what came of a run, and what each step changed against the baseline."""

from typing import Any, Literal

from pydantic import Field

from advisor.domain.base import Frozen
from advisor.domain.errors import Diagnostic
from advisor.domain.estimate import Range
from advisor.domain.parity import ParityRecord
from advisor.domain.run import Artifact, Attempt, Metric, RunStatus, StepStatus


class Comparison(Frozen):
    """One metric of one step against an earlier model, paired over the same held-out examples where possible."""

    metric: str
    unit: str = ""
    before: float | None = None
    after: float | None = None
    difference: Range | None = None
    """The change with its 95 % paired bootstrap interval; low = expected = high where examples cannot be paired."""
    is_relative: bool = True
    """The change as a share of `before`; False: in the metric's own unit."""
    is_paired: bool = False


class Prediction(Frozen):
    """What the plan expected of a step, and what was measured."""

    quantity: Literal["ram_gib", "gpu_gib", "disk_gib", "seconds", "evaluation_seconds"]
    predicted: Range | None = None
    measured: float | None = None

    @property
    def error(self) -> float | None:
        """(predicted - measured) / measured; None when either is not known."""
        if self.predicted is None or not self.measured:
            return None
        return (self.predicted.expected - self.measured) / self.measured


class StepReport(Frozen):
    """What one step did. Number 0 is the baseline."""

    number: int
    technique: str
    status: StepStatus
    seconds: float = 0.0
    evaluation_seconds: float = 0.0
    metrics: tuple[Metric, ...] = ()
    against_baseline: tuple[Comparison, ...] = ()
    against_previous: tuple[Comparison, ...] = ()
    predictions: tuple[Prediction, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    parity: ParityRecord | None = None
    """How far what it left says the same as the model it was made from, where it was to."""
    samples: tuple[dict[str, str], ...] = ()
    settings: dict[str, Any] = Field(default_factory=dict)
    """Those it was done with that differ from the plan's."""
    attempts: tuple[Attempt, ...] = ()
    """How it was tried before, and refused by its gate."""
    reason: str = ""


class RunReport(Frozen):
    """`report.json`: what came of a run."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    name: str
    status: RunStatus
    folder: str = ""
    model: str = ""
    result: str | None = None
    """Absolute path of the last artifact that was finished."""
    seconds: float = 0.0
    steps: tuple[StepReport, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    notes: tuple[str, ...] = ()
    reason: str = ""
    exit_code: int | None = None
