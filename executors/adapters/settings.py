"""Which adapter, and how large. Loads no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from advisor.domain.base import Frozen

Method = Literal["lora", "qlora", "dora", "ia3", "bottleneck", "prompt-tuning", "prefix-tuning", "p-tuning-v2", "full"]
SOFT_PROMPTS = ("prompt-tuning", "prefix-tuning", "p-tuning-v2")
PREFIXES = ("prefix-tuning", "p-tuning-v2")
"""Those whose vectors are keys and values of every layer."""
_READ_BY = {
    "virtual_tokens": SOFT_PROMPTS,
    "projection": ("prefix-tuning",),
    "placement": ("bottleneck",),
}


class AdapterSettings(Frozen):
    """What is trained beside the model, or the whole model (`full`)."""

    method: Method = "lora"
    rank: int = Field(default=16, ge=1, le=4096)
    """Rank of LoRA and DoRA; width of a bottleneck."""
    alpha: float = Field(default=32, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    targets: str | tuple[str, ...] = "all-linear"
    """`all-linear`, `attention`, or names of modules. Read by lora, qlora and dora."""
    virtual_tokens: int = Field(default=20, ge=1, le=4096)
    """Length of a soft prompt. Lester et al. 2021, section 3.2: little is gained beyond 20."""
    projection: int = Field(default=512, ge=1, le=65_536)
    """Width of the network that a prefix is learnt through and that is thrown away afterwards."""
    placement: Literal["pfeiffer", "houlsby"] = "pfeiffer"
    """One bottleneck in each block, behind the feed-forward layer, or another one behind the attention, too."""

    @model_validator(mode="after")
    def _is_read(self) -> AdapterSettings:
        for name, methods in _READ_BY.items():
            # A written-out configuration holds every default.
            is_told = getattr(self, name) != type(self).model_fields[name].default
            if is_told and self.method not in methods:
                raise ValueError(f"`{name}` means nothing to {self.method}; it is for {', '.join(methods)}")
        return self
