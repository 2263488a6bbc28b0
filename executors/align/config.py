"""What an alignment step may be told, and what can be said against it before it starts. Loads no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, model_validator

from advisor.domain.errors import AdvisorError, Diagnostic, Severity
from advisor.domain.plan import STEP
from advisor.domain.words import DataKind
from executors.adapters.settings import SOFT_PROMPTS
from executors.datasets.rows import Feedback, Row
from executors.protocol import Inputs, Machine
from executors.training.config import REQUIRES, TrainingConfig
from executors.training.preflight import check_adapter, check_data

__all__ = ["REQUIRES", "Config", "preflight"]

FULL_RATE = 1e-6
"""Learning rate when all weights move, as in TRL; adapters bear a hundred times as much."""
KINDS = {"dpo": DataKind.PREFERENCES, "orpo": DataKind.PREFERENCES, "kto": DataKind.FEEDBACK}


class AlignConfig(TrainingConfig):
    """What all alignment trainings share: a gentler learning rate than supervised training."""

    learning_rate: float = Field(default=1e-4, gt=0, lt=1)
    """1e-4 for adapters, 1e-6 for all weights when not given."""

    @model_validator(mode="before")
    @classmethod
    def _rate_of_all_weights(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("method") == "full" and "learning_rate" not in given:
            return {**given, "learning_rate": FULL_RATE}
        return given

    @model_validator(mode="after")
    def _has_a_reference(self) -> AlignConfig:
        if self.method in (*SOFT_PROMPTS, "bottleneck"):
            # TRL's trainers find the reference by taking a PEFT adapter off.
            raise ValueError(f"alignment is not trained through {self.method}; use lora, qlora, dora, ia3 or full")
        return self


class Config(AlignConfig):
    """Settings of DPO, ORPO or KTO."""

    objective: Literal["dpo", "orpo", "kto"]
    beta: float = Field(default=0.1, gt=0, le=100)
    """How far the model may leave the reference (dpo, kto), or the weight of the odds ratio (orpo)."""


def preflight(config: Config, inputs: Inputs, machine: Machine) -> list[Diagnostic]:
    """What is wrong before anything starts: data of another kind, unreadable, or too small to split."""
    if config.data.kind is not KINDS[config.objective] and "data" not in inputs.roles:
        return [wrong_kind(config, config.objective, KINDS[config.objective])]
    found = check_adapter(config, inputs)
    if config.objective == "kto" and config.micro_batch == 1:
        text = "kto compares the answers of one micro-batch, and it holds one"
        found.append(Diagnostic(severity=Severity.DANGER, code="batch-of-one", text=text, hint="set micro_batch: 2"))
    if "data" in inputs.roles:
        return found
    unreadable = check_data(config)
    if config.objective == "kto" and not any(d.severity is Severity.DANGER for d in unreadable):
        found += _check_marks(config)
    return [*found, *unreadable]


def check_marks(rows: Sequence[Row]) -> list[Feedback]:
    """The marked answers among the rows. Raises AdvisorError when all have the same mark: KTO learns from both."""
    marked = [row for row in rows if isinstance(row, Feedback)]
    if len({row.is_good for row in marked}) < 2:
        said = "good" if any(row.is_good for row in marked) else "bad"
        raise AdvisorError(
            "kto needs answers marked good and answers marked bad",
            why=f"all {len(marked)} answers to learn from are marked {said}",
            hint="add answers with the other mark, or learn from good ones alone with lora (prompt, completion)",
        )
    return marked


def _check_marks(config: Config) -> list[Diagnostic]:
    from executors.datasets import load

    if config.data.path.startswith(STEP):
        return []
    code = "data"
    try:
        rows = load(config.data, "train")
        code = "one-mark"
        check_marks(rows)
    except AdvisorError as error:
        return [Diagnostic(severity=Severity.DANGER, code=code, text=error.what, because=error.why, hint=error.hint)]
    return []


def wrong_kind(config: TrainingConfig, what: str, wanted: DataKind) -> Diagnostic:
    """The refusal of data of another kind."""
    text = f"{what} learns from data of kind {wanted}, and this is {config.data.kind}"
    return Diagnostic(severity=Severity.DANGER, code="data-kind", text=text)
