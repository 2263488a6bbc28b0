"""What a fine-tuning step may be told, and what can be said against it before it starts. Loads no torch."""

from __future__ import annotations

from typing import Any

from advisor.domain.errors import Diagnostic, Severity
from advisor.domain.words import DataKind
from executors.protocol import Inputs, Machine
from executors.training.config import REQUIRES, TrainingConfig
from executors.training.preflight import check_adapter, check_data, check_machine, check_pruned

__all__ = ["REQUIRES", "TRAINABLE", "Config", "milder", "preflight"]

TRAINABLE = (
    DataKind.INSTRUCTIONS,
    DataKind.QA_PAIRS,
    DataKind.TOOL_CALLS,
    DataKind.TEXT,
    DataKind.DOCUMENTS,
    DataKind.PREFERENCES,
    DataKind.PARALLEL,
)


class Config(TrainingConfig):
    """Settings of one supervised fine-tuning."""

    packing: bool = False
    """Texts are put together to sequences of full length, so that nothing is padded; conversations stay apart."""


def preflight(config: Config, inputs: Inputs, machine: Machine) -> list[Diagnostic]:
    """What is wrong before anything starts: data that cannot be read or split, kinds that cannot be trained on."""
    if config.data.kind not in TRAINABLE:
        text = f"data of kind {config.data.kind} cannot be fine-tuned on"
        return [Diagnostic(severity=Severity.DANGER, code="data-kind", text=text)]
    return [
        *check_pruned(config, inputs),
        *check_adapter(config, inputs),
        *check_machine(config, machine),
        *check_data(config),
    ]


def milder(config: Config) -> dict[str, Any] | None:
    """Half the learning rate, down to a millionth."""
    return {"learning_rate": config.learning_rate / 2} if config.learning_rate > 2e-6 else None
