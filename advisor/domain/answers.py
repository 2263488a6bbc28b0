"""`Answers`: what a person said, as the answers file gives it. Everything but `goal` may be missing."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from advisor.domain.base import Frozen
from advisor.domain.meeting import Rendezvous
from advisor.domain.words import DataKind, Goal, Need

Knowledge_ = Literal["dynamic", "static", "both"]
StaticChoice = Literal["retrieve", "embed"]
Behavior = Literal["quick", "task", "alignment", "tools"]
Compute = Literal["limited", "sufficient", "api"]
OptimizeFor = Literal["memory-latency", "throughput", "parameters", "architecture", "maximum"]
Expansion = Literal["new-domain", "freshness", "new-language"]
Task = Literal["classification", "retrieval", "description", "generation", "reasoning", "code", "chat"]
ModelKind = Literal["base", "instruct"]
ServeTarget = Literal["gpu", "cpu", "edge", "api"]


def _named(value: str) -> str:
    if not value.strip():
        raise ValueError("it is empty; name a hub id or a folder, or leave the key out")
    return value


Named = Annotated[str, AfterValidator(_named)]
"""A name that says something."""


def _written(value: object) -> object:
    """A day or a year as YAML reads it without quotes, as the text that was written."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _dated(value: str) -> str:
    try:
        date.fromisoformat(f"{value}-01-01"[:10])
    except ValueError:
        raise ValueError("it is no date; give a year, a month or a day such as 2025-06 or 2025-06-30") from None
    return value


Cutoff = Annotated[str, BeforeValidator(_written), Field(pattern=r"^\d{4}(-\d{2}(-\d{2})?)?$"), AfterValidator(_dated)]


class ModelAnswer(Frozen):
    """The model to work on. `count` above 1: that many fine-tuned variants of it are to be combined.

    `variants` names them (hub ids or folders), and `id` then is the model they were trained from.
    """

    id: Named | None = None
    params_b: float | None = Field(default=None, gt=0, le=100_000)
    kind: ModelKind | None = None
    quantized: str | None = None
    count: int = Field(default=1, ge=1, le=1000)
    same_base: bool | None = None
    variants: tuple[Named, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _count_variants(cls, value: object) -> object:
        if not isinstance(value, dict) or not isinstance(value.get("variants"), list | tuple) or not value["variants"]:
            return value
        named = len(value["variants"])
        if value.get("count", named) != named:
            raise ValueError(f"count is {value['count']}, and {named} variants are named; leave count out")
        if value.get("id") is None:
            raise ValueError("variants are named, but not the model they were trained from: say it in id")
        return {**value, "count": named}


class TeacherAnswer(Frozen):
    id: Named | None = None
    params_b: float | None = Field(default=None, gt=0, le=100_000)


class SourceAnswer(Frozen):
    """Further data beside the main one."""

    path: str
    kind: DataKind | None = None


class DataAnswer(Frozen):
    path: str | None = None
    kind: DataKind | None = None
    examples: int | None = Field(default=None, ge=0)
    tokens: int | None = Field(default=None, ge=0)
    seq_len: int | None = Field(default=None, ge=8, le=10_000_000)
    then: SourceAnswer | None = None
    """What the second phase learns from, where a technique has two: examples after a corpus."""
    general: SourceAnswer | None = None
    """General data that is mixed in against forgetting; what of it is held out measures the forgetting."""
    documents: str | None = None
    """Where the passages stand that answer questions which bring none."""
    language: str | None = Field(default=None, pattern=r"^[A-Za-z][A-Za-z -]{1,39}$")
    """The language that is to be learnt, by its code in the data or its name."""
    cutoff: Cutoff | None = None
    """The date up to which the data knows, `2025-06` or `2025-06-30`."""


class TrainAnswer(Frozen):
    micro_batch: int | None = Field(default=None, ge=1, le=100_000)
    tokens_budget: int | None = Field(default=None, ge=1)
    optimizer: Literal["adamw", "adamw-8bit", "paged-adamw-8bit", "adafactor", "sgd"] | None = None
    processes: int | None = Field(default=None, ge=1, le=1024)
    """Processes that share a training, one per GPU where there are some; of all machines together."""
    sharding: Literal["ddp", "fsdp", "zero1", "zero2", "zero3"] | None = None
    """How they share it: `ddp` copies the model to each, the others spread it over them."""
    machines: int | None = Field(default=None, ge=2, le=1024)
    """Machines that share a training; each of the others is brought in by `advisor join` there."""
    rendezvous: Rendezvous | None = None
    """`HOST:PORT` of the machine that starts the run, where the others reach it."""

    @model_validator(mode="after")
    def _machines_can_meet(self) -> "TrainAnswer":
        if self.machines is None and self.rendezvous is not None:
            raise ValueError("rendezvous is where several machines meet: say how many in machines, or leave it out")
        if self.machines is not None and self.rendezvous is None:
            raise ValueError(f"{self.machines} machines must meet: say in rendezvous where, HOST:PORT of the first one")
        if self.machines is not None and (self.processes or self.machines) % self.machines:
            many = f"{self.processes} is none of {self.machines}; leave processes out for one per GPU"
            raise ValueError(f"processes counts those of all machines, and must be a multiple of machines: {many}")
        return self


class GpuAnswer(Frozen):
    name: str = "GPU"
    memory_gib: float = Field(gt=0, le=100_000)
    count: int = Field(default=1, ge=1, le=100_000)


class HardwareAnswer(Frozen):
    """What to reckon with instead of this machine. `gpus` may also be typed: `RTX 4090:24:2, A100:80`, or `none`."""

    gpus: tuple[GpuAnswer, ...] | None = None
    ram_gib: float | None = Field(default=None, gt=0, le=10_000_000)
    disk_gib: float | None = Field(default=None, gt=0, le=10_000_000)

    @field_validator("gpus", mode="before")
    @classmethod
    def _read_typed(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        typed = [part.strip() for part in value.split(",") if part.strip()]
        return () if [part.lower() for part in typed] == ["none"] else tuple(_typed_gpu(part) for part in typed) or None


def _typed_gpu(text: str) -> dict[str, str | int]:
    """`NAME:GIB[:COUNT]` as the keys of a `GpuAnswer`. Raises ValueError for another form."""
    parts = [part.strip() for part in text.split(":")]
    if len(parts) not in (2, 3) or not all(parts):
        raise ValueError(f"{text!r} is not NAME:GIB[:COUNT], such as RTX 4090:24 or A100:80:8")
    return {"name": parts[0], "memory_gib": parts[1], "count": parts[2] if len(parts) == 3 else 1}


class ServeAnswer(Frozen):
    target: ServeTarget | None = None
    gpu: str | None = None
    memory_gib: float | None = Field(default=None, gt=0)
    batch: int = Field(default=1, ge=1, le=1_000_000)
    bits: Literal[16, 8, 4, 3, 2] | None = None
    runtime: str = "any"


class Answers(Frozen):
    """One person's situation (contract section 2)."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    goal: Goal
    also: tuple[Goal, ...] = ()
    knowledge: Knowledge_ | None = None
    static_choice: StaticChoice | None = None
    behavior: Behavior | None = None
    compute: Compute | None = None
    optimize_for: OptimizeFor | None = None
    expansion: Expansion | None = None
    task: Task | None = None
    model: ModelAnswer = ModelAnswer.model_construct()
    teacher: TeacherAnswer = TeacherAnswer.model_construct()
    data: DataAnswer = DataAnswer.model_construct()
    train: TrainAnswer = TrainAnswer.model_construct()
    hardware: HardwareAnswer | None = None
    serve: ServeAnswer = ServeAnswer.model_construct()
    needs: tuple[Need, ...] = ()
    avoid: tuple[str, ...] = ()
    use: tuple[str, ...] = ()
    """Technique ids that are wanted. Steps among them make up the stack, instead of those that would be advised;
    supports accompany its training."""
