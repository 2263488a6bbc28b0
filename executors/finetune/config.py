"""What a fine-tuning step may be told, and what can be said against it before it starts. Loads no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from advisor.domain.base import Frozen
from advisor.domain.errors import AdvisorError, Diagnostic, Severity
from advisor.domain.plan import DataSpec
from advisor.domain.words import DataKind
from executors.models.device import Precision
from executors.protocol import Inputs, Machine

REQUIRES = ("torch", "transformers", "tokenizers", "peft", "trl", "accelerate", "datasets", "safetensors")
TRAINABLE = (
    DataKind.INSTRUCTIONS,
    DataKind.QA_PAIRS,
    DataKind.TOOL_CALLS,
    DataKind.TEXT,
    DataKind.DOCUMENTS,
    DataKind.PREFERENCES,
    DataKind.PARALLEL,
)


class Config(Frozen):
    """Settings of one supervised fine-tuning. The effective batch is `micro_batch * accumulation`."""

    method: Literal["lora", "qlora", "dora", "full"] = "lora"
    data: DataSpec
    rank: int = Field(default=16, ge=1, le=1024)
    alpha: float = Field(default=32, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    targets: str | tuple[str, ...] = "all-linear"
    """`all-linear`, `attention`, or names of modules. Not read by method full."""
    learning_rate: float = Field(default=2e-4, gt=0, lt=1)
    """The highest; it rises over the warm-up and falls to 0 along a cosine."""
    epochs: float = Field(default=1.0, gt=0, le=1000)
    max_steps: int | None = Field(default=None, ge=1)
    """Optimizer steps; takes precedence over `epochs`."""
    micro_batch: int = Field(default=8, ge=1, le=4096)
    accumulation: int = Field(default=1, ge=1, le=65_536)
    seq_len: int = Field(default=512, ge=8, le=1_000_000)
    gradient_checkpointing: bool = False
    optimizer: Literal["adamw"] = "adamw"
    precision: Precision = "auto"
    warmup: float = Field(default=0.03, ge=0, lt=1)
    """Share of the steps over which the learning rate rises."""
    save_steps: int | None = Field(default=None, ge=1)
    """Steps between checkpoints; None: about every 30 seconds, and never more than 2 % of the time."""
    eval_steps: int | None = Field(default=None, ge=1)
    """Steps between measurements of the held-out loss; None: four times in all."""


def preflight(config: Config, inputs: Inputs, machine: Machine) -> list[Diagnostic]:
    """What is wrong before anything starts: data that cannot be read or split, kinds that cannot be trained on."""
    found: list[Diagnostic] = []
    if config.data.kind not in TRAINABLE:
        text = f"data of kind {config.data.kind} cannot be fine-tuned on"
        found.append(Diagnostic(severity=Severity.DANGER, code="data-kind", text=text))
        return found
    from executors.datasets import load

    try:
        load(config.data, "train")
        load(config.data, "held-out")
    except AdvisorError as error:
        found.append(
            Diagnostic(severity=Severity.DANGER, code="data", text=error.what, because=error.why, hint=error.hint)
        )
    return found
