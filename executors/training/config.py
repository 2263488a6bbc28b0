"""What every training may be told. Loads no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from advisor.domain.plan import DataSpec
from executors.adapters.settings import PREFIXES, AdapterSettings
from executors.models.device import Precision
from executors.training.optimizer import OptimizerName

REQUIRES = ("torch", "transformers", "tokenizers", "peft", "trl", "accelerate", "datasets", "safetensors")


class TrainingConfig(AdapterSettings):
    """Settings of one training. The effective batch is `micro_batch * accumulation`."""

    data: DataSpec
    learning_rate: float = Field(default=2e-4, gt=0, lt=1)
    """The highest; it rises over the warm-up and falls to 0 along a cosine."""
    epochs: float = Field(default=1.0, gt=0, le=1000)
    max_steps: int | None = Field(default=None, ge=1)
    """Optimizer steps; takes precedence over `epochs`."""
    micro_batch: int = Field(default=8, ge=1, le=4096)
    accumulation: int = Field(default=1, ge=1, le=65_536)
    seq_len: int = Field(default=512, ge=8, le=1_000_000)
    gradient_checkpointing: bool = False
    optimizer: OptimizerName = "adamw"
    """adafactor, sgd and the 8-bit kinds keep less state; paged lets a GPU evict it to the host."""
    attention: Literal["auto", "sdpa", "flash", "eager"] = "auto"
    """sdpa: PyTorch's own fused kernels; flash: the package flash-attn, on a GPU; auto: what is fastest here."""
    precision: Precision = "auto"
    warmup: float = Field(default=0.03, ge=0, lt=1)
    """Share of the steps over which the learning rate rises."""
    save_steps: int | None = Field(default=None, ge=1)
    """Steps between checkpoints; None: about every 30 seconds, and never more than 2 % of the time."""
    eval_steps: int | None = Field(default=None, ge=1)
    """Steps between measurements on held-out data; None: four times in all."""
    patience: int | None = Field(default=None, ge=1)
    """Measurements without a new best after which training stops early; None: it is never stopped."""
    keep_best: bool = True
    """End with the weights of the best measurement on held-out data instead of the last ones."""

    @model_validator(mode="after")
    def _can_be_checkpointed(self) -> TrainingConfig:
        if self.gradient_checkpointing and self.method in PREFIXES:
            # transformers drops the cache that holds the prefix in a checkpointed layer.
            raise ValueError(f"{self.method} does not work with gradient_checkpointing: set it to false")
        return self

    @property
    def batch(self) -> int:
        """Rows per optimizer step."""
        return self.micro_batch * self.accumulation
