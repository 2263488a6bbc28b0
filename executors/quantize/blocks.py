"""Rounding the weights of decoder blocks in their order: GPTQ, 8-bit integers by GPTQ's solver, and 8-bit floats.

A block goes in as it lies in the model's folder and comes out as what takes its place. Writing is left to the caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from executors.activations.batch import Batch, Layers
from executors.activations.hessian import input_hessian
from executors.prune.layers import LEDGER
from executors.quantize.compressed_form import Form
from executors.quantize.descent import descend
from executors.quantize.refit import refit_scales
from executors.quantize.rounded import Rounded, to_float8
from executors.quantize.rounding import Curvature, gptq
from executors.tensors.folder import ModelFolder, read_json
from executors.tensors.source import read_tensor, require_finite

if TYPE_CHECKING:
    import torch


FEW_BITS = 3
"""Bits up to which integers are chosen once more: with more of them that gains little for its time."""


@dataclass
class Block:
    """What takes the place of a block's tensors: rounded weights, and others that had to follow, by full name."""

    rounded: dict[str, Rounded] = field(default_factory=dict)
    changed: dict[str, torch.Tensor] = field(default_factory=dict)

    def dense(self) -> dict[str, torch.Tensor]:
        """The weights a loader makes of it."""
        return {**{name: one.dense() for name, one in self.rounded.items()}, **self.changed}


class Blocks(Protocol):
    """A way of rounding. Blocks are asked for in their order."""

    def block(self, index: int, names: list[str]) -> Block:
        """Round the named weights of block `index`."""
        ...

    def past(self, index: int, block: Block) -> None:
        """Go on behind a block that was rounded before."""
        ...


def read_finite(model: ModelFolder, name: str) -> torch.Tensor:
    """A tensor of the model. Raises AdvisorError when it holds NaN or infinity."""
    weight = read_tensor(model.tensors[name])
    require_finite(name, weight)
    return weight


class Float8Blocks:
    """Each weight for itself, one scale per row."""

    def __init__(self, model: ModelFolder) -> None:
        self._model = model

    def block(self, index: int, names: list[str]) -> Block:
        return Block({name: to_float8(read_finite(self._model, name)) for name in names})

    def past(self, index: int, block: Block) -> None: ...


class GptqBlocks:
    """Weights fed by the same inputs together, each block seeing what the rounded blocks before it produce."""

    def __init__(self, model: ModelFolder, form: Form, batch: Batch) -> None:
        self._model, self._form, self._batch = model, form, batch
        self._sparse: Mapping[str, object] = {}
        if (model.path / LEDGER).is_file():
            self._sparse = read_json(model.path / LEDGER)["tensors"]
        self._done = Block()

    def block(self, index: int, names: list[str]) -> Block:
        self._done = Block()
        self._batch.through(index, self._round)
        return self._done

    def past(self, index: int, block: Block) -> None:
        self._batch.past(index, block.dense())

    def _round(self, layers: Layers, inputs: torch.Tensor) -> None:
        hessian = input_hessian(inputs)
        require_finite(f"{next(iter(layers)).removesuffix('.weight')} (its input)", hessian)
        curvature = Curvature.of(hessian)
        weights = [read_finite(self._model, name).to(inputs.device).float() for name in layers]
        # What no input ever reaches is 0.
        weights = [weight.masked_fill_(curvature.dead, 0) for weight in weights]
        # What an earlier step set to zero stays zero; its error, too, is taken over by the rest.
        keep = [weight != 0 for weight in weights] if self._sparse.keys() & layers.keys() else None
        group = self._form.group or inputs.shape[-1]
        found = gptq(weights, curvature, self._form.bits, group, keep, self._form.symmetric)
        for number, (name, layer) in enumerate(layers.items()):
            rounded = self._finished(found[number], weights[number], hessian, keep[number] if keep else None)
            layer.weight.data.copy_(rounded.dense())
            self._done.rounded[name] = rounded.cpu()

    def _finished(
        self, rounded: Rounded, weight: torch.Tensor, hessian: torch.Tensor, keep: torch.Tensor | None
    ) -> Rounded:
        rounded = refit_scales(rounded, weight, hessian)
        if self._form.bits > FEW_BITS:
            return rounded
        return refit_scales(descend(rounded, weight, hessian, self._form.bits, keep), weight, hessian)
