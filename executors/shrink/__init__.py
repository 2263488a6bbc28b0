"""Removes whole parts of a model: attention heads with their key-value groups, feed-forward neurons, or layers.

What is left is an ordinary, smaller model with a configuration to match, written block by block. Embedding, output
head and norms stay as they are. It trains nothing; distillation or fine-tuning afterwards brings quality back.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from advisor.domain.base import Frozen
from advisor.domain.errors import AdvisorError, Diagnostic
from advisor.domain.plan import DataSpec
from executors.protocol import Inputs, Machine, Say

REQUIRES = ("torch", "transformers", "safetensors", "numpy")

LEAST = 0.05
"""Share below which nothing milder is tried."""
_READ_BY = {"neurons": "width", "heads": "width", "refit": "width", "layers": "depth", "measure": "depth"}


class Config(Frozen):
    """How much is removed, by which measure, and the text that importance is measured on."""

    method: Literal["width", "depth"] = "width"
    neurons: float = Field(default=0.3, ge=0, lt=1)
    """width: share of each layer's feed-forward neurons, rounded so that even rows are left."""
    heads: float = Field(default=0.0, ge=0, lt=1)
    """width: share of the key-value groups of attention, each with its query heads; at least one group stays. Where
    all heads share one group, the share of the query heads."""
    refit: bool = True
    """width: fit what is left to the outputs of the whole layer by least squares."""
    layers: float = Field(default=0.25, gt=0, lt=1)
    """depth: share of the layers; at least one goes and at least one stays."""
    measure: Literal["influence", "perplexity"] = "influence"
    """depth: how much a layer turns its input, or how much the loss rises without it."""
    data: DataSpec
    """Calibration text."""
    sequences: int = Field(default=64, ge=1, le=100_000)
    seq_len: int = Field(default=256, ge=8, le=1_000_000)
    """Tokens per calibration sequence."""

    @model_validator(mode="after")
    def _fits_together(self) -> Config:
        for name, method in _READ_BY.items():
            if name in self.model_fields_set and self.method != method:
                raise ValueError(f"`{name}` is for method {method}, and the method is {self.method}")
        if self.method == "width" and self.neurons == 0 and self.heads == 0:
            raise ValueError("nothing would be removed: give a share of `neurons` or of `heads`")
        return self


def preflight(config: Config, inputs: Inputs, machine: Machine) -> list[Diagnostic]:
    """What would make this step fail, without reading a weight."""
    from executors.activations.short import check_text
    from executors.shrink.plan import cut_of
    from executors.tensors.checks import check_disk, check_model, check_ram, refusal
    from executors.tensors.decoder import require_architecture

    model, found = check_model(inputs)
    if model is None:
        return found
    try:
        require_architecture(model.arch)
        cut = cut_of(config, model)
    except AdvisorError as error:
        return [*found, refusal("cannot-be-cut", error)]
    found += check_text(config.data, model.path, config.seq_len)
    found += check_disk(model.bytes * 1.01, machine)
    return found + check_ram(cut.working_bytes(config), machine, "use fewer or shorter calibration sequences")


def milder(config: Config) -> dict[str, Any] | None:
    """Two thirds of the share, down to a twentieth."""
    if config.method == "depth":
        layers = round(config.layers * 2 / 3, 2)
        return {"layers": layers} if layers >= LEAST else None
    shares = {"neurons": round(config.neurons * 2 / 3, 2), "heads": round(config.heads * 2 / 3, 2)}
    return shares if max(shares.values()) >= LEAST else None


def run(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    """Write the smaller model below `out`. Raises AdvisorError for bad input, Stopped when asked to stop."""
    if config.method == "width":
        from executors.shrink.width import shrink_width

        shrink_width(config, inputs, out, say)
        return
    from executors.shrink.depth import shrink_depth

    shrink_depth(config, inputs.path("model"), out, say, inputs.scratch)
