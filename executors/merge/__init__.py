"""Merges an adapter into its base, several models of one shape into one, or adapters of one base into one adapter.

The result is an ordinary model of the base's type. A low-bit base is refused: adapters trained on one are merged
into the 16-bit model and quantized once afterwards.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from advisor.domain.base import Frozen
from advisor.domain.errors import AdvisorError, Diagnostic
from executors.merge.settings import Setting, numbers_in
from executors.protocol import Inputs, Machine, Say

REQUIRES = ("torch", "transformers", "peft", "safetensors", "numpy")

Method = Literal["adapter-merge", "linear", "task-arithmetic", "slerp", "ties", "dare-linear", "dare-ties"]
_TASKS = ("task-arithmetic", "ties", "dare-linear", "dare-ties")
_READ_BY = {
    "weights": ("linear", *_TASKS),
    "normalize": ("linear", *_TASKS),
    "task_vectors": ("linear", "slerp"),
    "scale": ("linear", "slerp", *_TASKS),
    "density": ("ties", "dare-linear", "dare-ties"),
    "densities": ("ties", "dare-linear", "dare-ties"),
    "rescale": ("ties", "dare-linear", "dare-ties"),
    "at": ("slerp",),
    "dtype": ("linear", "slerp", *_TASKS),
    "rank": ("linear", "slerp", *_TASKS),
}


class Config(Frozen):
    """Which merge. An adapter merge takes the roles model and adapter, the others models.0, models.1, ...

    Those that work on differences (task-arithmetic, ties, dare-linear, dare-ties; linear and slerp with `task_vectors`)
    take the common base as role model. With adapters.0, adapters.1, ... adapters of one base become one adapter.
    """

    method: Method = "adapter-merge"
    weights: tuple[Setting, ...] | None = None
    """One per model: a number, a list over the layers, or entries with filter and value. Equal shares without it."""
    density: float = Field(default=0.5, gt=0, le=1)
    """Share of each model's difference from the base that is kept."""
    densities: tuple[Setting, ...] | None = None
    """One per model in place of `density`."""
    at: Setting = 0.5
    """slerp: position between the first model and the second; of the kinds that weights are."""
    task_vectors: bool = False
    """linear and slerp: mix the differences from the base instead of the weights."""
    normalize: bool | None = None
    """Divide by the sum of the weights; on for linear and ties, off for the others when not given."""
    scale: float = Field(default=1.0, allow_inf_nan=False)
    """What the mixed difference is multiplied by before it is added to the base."""
    rescale: Literal["none", "probability", "norm"] | None = None
    """How thinned differences are scaled up: by 1 / density (as DARE when not given), or to the L1 norm they had."""
    dtype: Literal["bfloat16", "float16", "float32"] | None = None
    """Type of the result; that of the base or the first model when not given."""
    rank: int | None = Field(default=None, ge=1, le=4096)
    """Merging adapters: rank of the result; the sum of their ranks when not given."""

    @model_validator(mode="after")
    def _fits_together(self) -> Config:
        for name, methods in _READ_BY.items():
            if name in self.model_fields_set and self.method not in methods:
                raise ValueError(f"`{name}` means nothing to {self.method}; it is for {', '.join(methods)}")
        plain = [w for w in self.weights or () if isinstance(w, int | float)]
        if self.is_normalized and self.weights and len(plain) == len(self.weights) and sum(plain) == 0:
            raise ValueError("the weights add up to zero")
        if any(not 0 < number <= 1 for setting in self.densities or () for number in numbers_in(setting)):
            raise ValueError("a density lies above 0 and is at most 1")
        if any(not 0 <= number <= 1 for number in numbers_in(self.at)):
            raise ValueError("`at` lies between 0 and 1")
        if "scale" in self.model_fields_set and not self.has_task_vectors:
            raise ValueError("`scale` is for differences from a base: set task_vectors")
        return self

    @property
    def has_task_vectors(self) -> bool:
        """It mixes differences from a base."""
        return self.task_vectors or self.method in _TASKS

    @property
    def is_normalized(self) -> bool:
        if self.normalize is not None:
            return self.normalize
        return self.method in ("linear", "ties")


def preflight(config: Config, inputs: Inputs, machine: Machine) -> list[Diagnostic]:
    """What would make this step fail, from configurations and headers alone."""
    if config.method == "adapter-merge":
        return _preflight_adapter(inputs, machine)
    if any(role.startswith("adapters.") for role in inputs.roles):
        from executors.merge.adapters_merge import preflight_adapters

        return preflight_adapters(config, inputs, machine)
    from executors.merge.compatible import open_variants, warnings
    from executors.tensors.checks import check_disk, refusal

    try:
        base, models = open_variants(config, inputs)
    except AdvisorError as error:
        return [refusal("cannot-be-merged", error)]
    return [*warnings(base, models), *check_disk((base or models[0]).bytes * 2.02, machine)]


def run(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    """Write the merged model below `out`; an adapter merge is checked by its logits and fails when they disagree."""
    if any(role.startswith("adapters.") for role in inputs.roles):
        from executors.merge.adapters_merge import merge_adapters

        merge_adapters(config, inputs, out, say)
        return
    if config.method != "adapter-merge":
        from executors.merge.models_merge import merge_models

        merge_models(config, inputs, out, say)
        return
    from executors.merge.adapter_merge import merge_adapter
    from executors.merge.check import check_by_logits
    from executors.tensors.folder import open_model

    merge_adapter(inputs, out, say)
    check_by_logits(open_model(inputs.path("model")), Path(inputs.path("adapter")), out, say)


def _preflight_adapter(inputs: Inputs, machine: Machine) -> list[Diagnostic]:
    from executors.adapters.masked import masked_names
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
    if inputs.roles["model"].kind == "sparse-lm" and not masked_names(adapter.path):
        text = "the adapter was not trained under the mask of the pruned model; where that is zero, it is dropped"
        found.append(
            warning("masked-merge", text, hint="train the adapter on the pruned model, or prune after the merge")
        )
    found += check_disk(model.bytes * 1.01, machine)
    return found + check_ram(8 * model.largest, machine, "free memory on this machine")


def _is_same_base(trained_on: str, given: str, folder: Path) -> bool:
    if trained_on == given:
        return True
    return Path(trained_on).name == folder.name or Path(trained_on).expanduser().resolve() == folder.resolve()
