"""Merges models: an adapter into the base it was trained on, or several models of one shape into one, streaming.

The result is an ordinary model of the base's type. A low-bit base is refused: adapters trained on one are merged
into the 16-bit model and quantized once afterwards.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from advisor.domain.base import Frozen
from advisor.domain.errors import AdvisorError, Diagnostic
from executors.protocol import Inputs, Machine, Say

REQUIRES = ("torch", "transformers", "peft", "safetensors")

_READ_BY = {"weights": ("linear", "ties", "dare-linear", "dare-ties"), "at": ("slerp",)}
_READ_BY["density"] = _READ_BY["weights"][1:]


class Config(Frozen):
    """Which merge. An adapter merge takes the roles model and adapter, the others models.0, models.1, ...

    Those that work on differences (ties, dare-linear, dare-ties) take the common base as role model.
    """

    method: Literal["adapter-merge", "linear", "slerp", "ties", "dare-linear", "dare-ties"] = "adapter-merge"
    weights: tuple[float, ...] | None = None
    """One per model; equal shares when not given."""
    density: float = Field(default=0.5, gt=0, le=1)
    """Share of each model's difference from the base that is kept."""
    at: float = Field(default=0.5, ge=0, le=1)
    """slerp: position between the first model and the second."""

    @model_validator(mode="after")
    def _fits_together(self) -> Config:
        for name, methods in _READ_BY.items():
            if name in self.model_fields_set and self.method not in methods:
                raise ValueError(f"`{name}` means nothing to {self.method}; it is for {', '.join(methods)}")
        if self.weights is not None and sum(self.weights) == 0:
            raise ValueError("the weights add up to zero")
        return self


def preflight(config: Config, inputs: Inputs, machine: Machine) -> list[Diagnostic]:
    """What would make this step fail, from configurations and headers alone."""
    if config.method == "adapter-merge":
        return _preflight_adapter(inputs, machine)
    from executors.merge.models_merge import open_variants
    from executors.tensors.checks import check_disk, check_ram, refusal

    try:
        models = open_variants(config, inputs)[1]
    except AdvisorError as error:
        return [refusal("cannot-be-merged", error)]
    found = check_disk(models[0].bytes * 1.01, machine)
    # Each model's tensor in its own type and as a 32-bit difference, and a few more while signs are elected.
    return found + check_ram(models[0].largest * (3 * len(models) + 6), machine, "merge fewer models at once")


def run(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    """Write the merged model below `out`; an adapter merge is checked by its logits and fails when they disagree."""
    if config.method != "adapter-merge":
        from executors.merge.models_merge import merge_models

        merge_models(config, inputs, out, say)
        return
    from executors.export.parity import report, require
    from executors.merge.adapter_merge import merge_adapter
    from executors.merge.check import LIMITS, check_by_logits
    from executors.tensors.folder import open_model

    merge_adapter(inputs, out, say)
    parity = check_by_logits(open_model(inputs.path("model")), Path(inputs.path("adapter")), out, say)
    if parity is not None:
        report(parity, say)
        require(parity, LIMITS, "the merged model")


def _preflight_adapter(inputs: Inputs, machine: Machine) -> list[Diagnostic]:
    from executors.merge.adapter import open_adapter, plan_changes
    from executors.tensors.checks import check_disk, check_model, check_ram, danger, refusal, warning

    model, found = check_model(inputs)
    if "adapter" not in inputs.roles:
        return [*found, danger("missing-input", "a merge needs an adapter, and the plan gives it none")]
    try:
        adapter = open_adapter(inputs.path("adapter"))
        if model is None:
            return found
        plan_changes(model, adapter)
    except AdvisorError as error:
        return [*found, refusal("unusable-adapter", error)]
    if adapter.base_name and not _is_same_base(adapter.base_name, inputs.path("model"), model.path):
        text = f"the adapter was trained on {adapter.base_name} and is merged into {inputs.path('model')}"
        found.append(warning("other-base-name", text, "every shape fits, but the weights may differ"))
    if inputs.roles["model"].kind == "sparse-lm":
        text = "merging a dense adapter fills the zeros of a pruned model again"
        found.append(warning("refilled-zeros", text, hint="merge first and prune afterwards"))
    found += check_disk(model.bytes * 1.01, machine)
    return found + check_ram(8 * model.largest, machine, "free memory on this machine")


def _is_same_base(trained_on: str, given: str, folder: Path) -> bool:
    if trained_on == given:
        return True
    return Path(trained_on).name == folder.name or Path(trained_on).expanduser().resolve() == folder.resolve()
