"""Sets weights to zero, one decoder block at a time: Wanda, SparseGPT and magnitude, unstructured or 2:4.

Linear layers inside the blocks only; never the embedding or the output head, which are often one tensor. It trains
nothing and makes no file smaller: the zeros are stored.
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


class Config(Frozen):
    """How much to prune, by which measure, and what it is calibrated with."""

    method: Literal["wanda", "sparsegpt", "magnitude"] = "wanda"
    sparsity: float = Field(default=0.5, gt=0, lt=1)
    """Share of each linear layer set to zero."""
    pattern: Literal["unstructured", "2:4"] = "unstructured"
    data: DataSpec | None = None
    """Calibration text; needed by wanda and sparsegpt."""
    sequences: int = Field(default=64, ge=1, le=100_000)
    seq_len: int = Field(default=256, ge=8, le=1_000_000)
    """Tokens per calibration sequence."""

    @model_validator(mode="after")
    def _fits_together(self) -> Config:
        if self.pattern == "2:4" and self.sparsity != 0.5:
            raise ValueError("the pattern 2:4 has a sparsity of 0.5")
        if self.method != "magnitude" and self.data is None:
            raise ValueError(f"{self.method} needs `data` to calibrate with; method magnitude needs none")
        return self


def preflight(config: Config, inputs: Inputs, machine: Machine) -> list[Diagnostic]:
    """What would make this step fail, without reading a weight."""
    from executors.activations.short import check_text
    from executors.prune.layers import hessian_bytes, prunable, working_bytes
    from executors.tensors.checks import check_disk, check_model, check_ram, danger, refusal
    from executors.tensors.decoder import require_architecture

    model, found = check_model(inputs)
    if model is None:
        return found
    if config.method != "magnitude":
        try:
            require_architecture(model.arch)
        except AdvisorError as error:
            found.append(refusal("unknown-architecture", error))
        assert config.data is not None
        found += check_text(config.data, model.path, config.seq_len)
    targets = prunable(model)
    if not targets:
        found.append(danger("nothing-to-prune", f"{model.path} has no linear layers inside decoder blocks"))
    if config.pattern == "2:4" and (odd := [info.name for info in targets if info.shape[1] % 4]):
        found.append(danger("pattern", f"{odd[0]} has rows that do not divide by 4", hint="use pattern: unstructured"))
    found += check_disk(model.bytes * 1.01, machine)
    need = 6 * model.largest
    if config.method != "magnitude":
        need = working_bytes(model, config.sequences, config.seq_len)
    if config.method == "sparsegpt":
        need += hessian_bytes(targets)
    return found + check_ram(need, machine, "use fewer or shorter calibration sequences")


def run(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    """Write the pruned model below `out`. Raises AdvisorError for bad input, Stopped when asked to stop."""
    from executors.prune.blockwise import prune

    prune(config, inputs, out, say)


def milder(config: Config) -> dict[str, Any] | None:
    """Two thirds of the sparsity, down to a tenth; before that the pattern is given up."""
    if config.pattern == "2:4":
        return {"pattern": "unstructured"}
    sparsity = round(config.sparsity * 2 / 3, 2)
    return {"sparsity": sparsity} if sparsity >= 0.1 else None


def ledger(folder: Path) -> dict[str, Any] | None:
    """The sparsity ledger a pruned model carries, or None when the folder has none."""
    from executors.prune.layers import LEDGER
    from executors.tensors.folder import read_json

    return read_json(folder / LEDGER) if (folder / LEDGER).is_file() else None
