"""Merges an adapter into the 16- or 32-bit base it was trained on, streaming.

The result is an ordinary model of the base's type. A low-bit base is refused: adapters trained on one are merged
into the 16-bit model and quantized once afterwards.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from advisor.domain.base import Frozen
from advisor.domain.errors import AdvisorError, Diagnostic
from executors.protocol import Inputs, Machine, Say

REQUIRES = ("torch", "transformers", "peft", "safetensors")


class Config(Frozen):
    """Which merge."""

    method: Literal["adapter-merge"] = "adapter-merge"


def preflight(config: Config, inputs: Inputs, machine: Machine) -> list[Diagnostic]:
    """What would make this step fail, from configurations and headers alone."""
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


def run(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    """Write the merged model below `out` and check it. Raises AdvisorError when the check fails."""
    from executors.export.parity import report, require
    from executors.merge.adapter_merge import merge_adapter
    from executors.merge.check import LIMITS, check_by_logits
    from executors.tensors.folder import open_model

    merge_adapter(inputs, out, say)
    parity = check_by_logits(open_model(inputs.path("model")), Path(inputs.path("adapter")), out, say)
    if parity is not None:
        report(parity, say)
        require(parity, LIMITS, "the merged model")


def _is_same_base(trained_on: str, given: str, folder: Path) -> bool:
    if trained_on == given:
        return True
    return Path(trained_on).name == folder.name or Path(trained_on).expanduser().resolve() == folder.resolve()
