"""Events: what happened in a run, one JSON line each (contract section 7).

The supervisor stamps `seq` and `time`. Readers ignore unknown fields and unknown types, and refuse a major
version they do not know.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from advisor.domain.base import Lenient
from advisor.domain.errors import AdvisorError, Severity

EVENT_VERSION = "1.1"

Unit = Literal["tokens", "steps", "layers", "tensors", "documents", "examples", "rows", "bytes"]


class _Event(Lenient):
    seq: int = 0
    time: float = 0.0
    """Seconds since the epoch."""
    step: int | None = None
    """Number of the step; 0 is the baseline; None for the whole run."""


class RunStarted(_Event):
    type: Literal["run.started"] = "run.started"
    version: str = EVENT_VERSION
    plan: str = ""
    resumed: bool = False
    steps: tuple[str, ...] = ()
    """Technique of each step, the baseline first."""


class StepStarted(_Event):
    type: Literal["step.started"] = "step.started"
    technique: str = ""
    phase: Literal["work", "evaluate"] = "work"
    pid: int | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    """Those that differ from the plan's, when the step is tried again with milder ones."""


class StepProgress(_Event):
    type: Literal["step.progress"] = "step.progress"
    done: float = 0
    total: float | None = None
    unit: Unit = "steps"
    what: str = ""


class MetricReported(_Event):
    type: Literal["metric.reported"] = "metric.reported"
    name: str = ""
    """loss | held_out_loss | held_out_perplexity | accuracy | tokens_per_second | learning_rate | grad_norm | ..."""
    value: float | None = None
    unit: str = ""
    at: float | None = None
    """Position of the value on the x axis (optimizer step)."""


class ArtifactWritten(_Event):
    type: Literal["artifact.written"] = "artifact.written"
    kind: str = ""
    path: str = ""
    """Relative to the run folder."""
    bytes: int = 0
    sha256: str = ""


class DiagnosticRaised(_Event):
    type: Literal["diagnostic.raised"] = "diagnostic.raised"
    severity: Severity = Severity.INFO
    code: str = ""
    text: str = ""
    because: str = ""
    hint: str = ""


class LogWritten(_Event):
    type: Literal["log.written"] = "log.written"
    text: str = ""


class ResourceSampled(_Event):
    type: Literal["resource.sampled"] = "resource.sampled"
    rss_gib: float | None = None
    gpu_gib: float | None = None
    cpu_percent: float | None = None
    gpu_percent: float | None = None


class StepFinished(_Event):
    type: Literal["step.finished"] = "step.finished"
    phase: Literal["work", "evaluate"] = "work"
    status: Literal["done", "skipped", "failed", "stopped", "rolled-back", "retried"] = "done"
    """rolled-back: the chain goes on without it. retried: its gate refused it, and it is done again, milder."""
    seconds: float = 0.0
    peak_rss_gib: float | None = None
    peak_gpu_gib: float | None = None
    disk_gib: float | None = None
    """What the step had on disk when its work ended, checkpoints included."""
    exit_code: int = 0
    reason: str = ""
    metrics: dict[str, Any] = Field(default_factory=dict)


class RunFinished(_Event):
    type: Literal["run.finished"] = "run.finished"
    status: Literal["done", "failed", "stopped"] = "done"
    exit_code: int = 0
    reason: str = ""
    seconds: float = 0.0


Event = Annotated[
    RunStarted
    | StepStarted
    | StepProgress
    | MetricReported
    | ArtifactWritten
    | DiagnosticRaised
    | LogWritten
    | ResourceSampled
    | StepFinished
    | RunFinished,
    Field(discriminator="type"),
]

_ADAPTER: TypeAdapter[Event] = TypeAdapter(Event)


def parse_event(line: str | bytes) -> Event | None:
    """One line of `events.jsonl` as an event; None for a torn line or an unknown type.

    Raises AdvisorError for a major version this program does not know.
    """
    try:
        event = _ADAPTER.validate_json(line)
    except ValidationError:
        return None
    if isinstance(event, RunStarted) and event.version.split(".")[0] != EVENT_VERSION.split(".")[0]:
        raise AdvisorError(
            f"the run's events have version {event.version}",
            why=f"this program reads version {EVENT_VERSION.split('.')[0]}",
            hint="use the version of the program that wrote the run",
        )
    return event
