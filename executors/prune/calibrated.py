"""Pruning one block after another while the calibration batch passes through it: Wanda and SparseGPT.

Finished blocks are kept, so that a killed step goes on after them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from executors.activations.batch import Batch, Layers
from executors.activations.hessian import input_hessian, inverse_factor
from executors.activations.text import CalibrationText
from executors.protocol import Say
from executors.prune.scores import input_norms, keep, wanda_scores
from executors.prune.sparsegpt import sparsegpt
from executors.tensors.folder import ModelFolder
from executors.tensors.kept import KeptBlocks
from executors.tensors.parts import each
from executors.tensors.select import set_zero
from executors.tensors.source import read_tensor, require_finite, torch_dtype

if TYPE_CHECKING:
    import torch

    from executors.prune import Config

ROWS = 256
"""Rows of a weight whose masks are made at a time."""


class CalibratedPruning:
    """Prunes blocks in order. Weights are read anew in the file's own type: the batch may pass in fewer bits."""

    def __init__(self, config: Config, model: ModelFolder, text: CalibrationText, scratch: str, say: Say) -> None:
        self._config = config
        self._model = model
        self._batch = Batch(text, model, say)
        settings = {**config.model_dump(mode="json"), "calibration": self._batch.fingerprint}
        self._kept = KeptBlocks(scratch, model, settings, say)
        self._done: dict[str, torch.Tensor] = {}

    def block(self, index: int) -> dict[str, torch.Tensor]:
        """The pruned weights of block `index` by tensor name, in the file's type, on the CPU."""
        kept = self._kept.read(index)
        if kept is not None:
            self._batch.past(index, kept)
            return kept
        self._done = {}
        self._batch.through(index, self._wanda if self._config.method == "wanda" else self._sparsegpt)
        self._kept.keep(index, self._done)
        return self._done

    def _wanda(self, layers: Layers, inputs: torch.Tensor) -> None:
        norms = input_norms(inputs)
        require_finite(f"{next(iter(layers)).removesuffix('.weight')} (its input)", norms)
        config = self._config

        def drop(rows: tuple[str, torch.Tensor, torch.Tensor]) -> None:
            name, computed, original = rows
            require_finite(name, original)
            stays = keep(wanda_scores(computed, norms), config.sparsity, config.pattern, per_row=True)
            set_zero(computed, stays)
            if original is not computed:
                set_zero(original, stays.to(original.device))

        parts = []
        for name, layer in layers.items():
            weight = layer.weight.data
            is_stored = weight.device.type == "cpu" and weight.dtype == torch_dtype(self._model.tensors[name].dtype)
            self._done[name] = weight if is_stored else read_tensor(self._model.tensors[name])
            computed = weight.split(ROWS)
            originals = computed if is_stored else self._done[name].split(ROWS)
            parts += [(name, *both) for both in zip(computed, originals, strict=True)]
        each(drop, parts, norms.device.type == "cpu")

    def _sparsegpt(self, layers: Layers, inputs: torch.Tensor) -> None:
        hessian = input_hessian(inputs)
        require_finite(f"{next(iter(layers)).removesuffix('.weight')} (its input)", hessian)
        factor, dead = inverse_factor(hessian)
        originals = [self._read(name) for name in layers]
        # What no input ever reaches is the first to go.
        given = [weight.to(inputs.device).masked_fill(dead, 0) for weight in originals]
        pruned = sparsegpt(given, factor, self._config.sparsity, self._config.pattern)
        for (name, layer), original, weight in zip(layers.items(), originals, pruned, strict=True):
            self._done[name] = weight.to("cpu", original.dtype)
            layer.weight.data.copy_(self._done[name])

    def _read(self, name: str) -> torch.Tensor:
        weight = read_tensor(self._model.tensors[name])
        require_finite(name, weight)
        return weight
