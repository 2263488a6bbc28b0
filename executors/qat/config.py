"""What a step of quantization-aware training may be told, and what speaks against it. Loads no torch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import model_validator

from advisor.domain.errors import Diagnostic
from executors import finetune
from executors.protocol import Inputs, Machine
from executors.training.config import REQUIRES as TRAINING

REQUIRES = (*TRAINING, "torchao", "compressed-tensors")


class Config(finetune.Config):
    """Settings of a training whose weights are rounded in every forward pass."""

    method: Literal["full", "lora"] = "full"
    """All weights; or low-rank matrices, rounded together with the weight they will be merged into."""
    bits: Literal[3, 4, 8] = 4
    group_size: Literal[32, 64, 128, 256] | None = None
    """Inputs that share a scale; when not given the largest of 128, 64 and 32 that divides the width of every layer."""

    @model_validator(mode="after")
    def _can_be_rounded(self) -> Config:
        if self.method == "lora" and self.dropout:
            raise ValueError("`dropout` has no place here: the low-rank matrices are merged before they are rounded")
        return self


def preflight(config: Config, inputs: Inputs, machine: Machine) -> list[Diagnostic]:
    """A model that cannot be rounded like this, and whatever speaks against the training itself."""
    from executors.prune.layers import prunable
    from executors.quantize.compressed_checks import group_trouble
    from executors.quantize.compressed_form import fitting_group
    from executors.tensors.checks import check_disk, check_model, danger

    model, found = check_model(inputs)
    if model is None and found:
        return found
    if "adapter" in inputs.roles:
        hint = "merge it first (adapter-merge)"
        return [danger("other-adapter", "an adapter of an earlier step cannot be gone on with here", hint=hint)]
    if model is not None:
        targets = prunable(model)
        if not targets:
            return [danger("nothing-to-quantize", f"{model.path} has no linear layers inside decoder blocks")]
        if trouble := group_trouble(config.group_size or fitting_group(targets), targets):
            return [trouble]
        found += check_disk(model.bytes, machine)
    plain = finetune.Config.model_validate(config.model_dump(exclude={"bits", "group_size"}))
    found += finetune.check_alone(config, "quantization-aware training")
    return found + finetune.preflight(plain, inputs, machine)


def milder(config: Config) -> dict[str, Any] | None:
    """Eight bits instead of four or three."""
    return {"bits": 8} if config.bits != 8 else None
