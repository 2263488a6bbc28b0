"""The calibration batch on its way through a model, one block at a time, each linear layer met just before it computes.

What a visitor changes in a layer is what the rest of the pass sees, so that every later layer is calibrated on what the
compressed model really produces. It keeps no activations but the batch itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from executors.activations.text import CalibrationText
from executors.protocol import Say
from executors.tensors.decoder import StreamedDecoder, block_prefix, fast_place
from executors.tensors.folder import ModelFolder
from executors.tensors.memory import give_back, reuse_large_blocks
from executors.tensors.source import FolderSource, require_finite

if TYPE_CHECKING:
    import torch

    from executors.tensors.blocks import Visit

SMALL_ACTIVATION = 64 * 2**20
"""Bytes up to which keeping freed blocks is worth it; with larger ones the kept heap would grow with the model."""

Layers = dict[str, "torch.nn.Linear"]
"""Linear layers by the full name of their weight."""


class Batch:
    """Hidden states [sequences, length, width] of the calibration text. `through` moves them by one block."""

    def __init__(self, text: CalibrationText, model: ModelFolder, say: Say) -> None:
        ids = text.ids(say)
        self.fingerprint = hashlib.sha256(memoryview(ids.numpy())).hexdigest()
        """Hash of the token ids."""
        is_small = ids.numel() * int(model.config.get("intermediate_size", 0)) * 2 <= SMALL_ACTIVATION
        self._keeps_heap = is_small and reuse_large_blocks()
        device, dtype = fast_place()
        self._decoder = StreamedDecoder(FolderSource(model), model.path, dtype, device)
        self._hidden = self._decoder.embed(ids)

    def through(self, index: int, visit: Callable[[Layers, torch.Tensor], None]) -> None:
        """Take the batch through block `index`, whose numbers must come in order.

        `visit(layers, inputs)` is called once for all layers that are fed the same inputs [..., features].
        """
        with self._decoder.block(index) as block:
            self._hidden = self._decoder.through(block, self._hidden, _by_full_name(block, index, visit))
        self._settle(index)

    def watch(self, index: int, visit: Callable[[Layers, torch.Tensor], None]) -> None:
        """As `through`, but the batch stays where it is: `past` is to follow."""
        with self._decoder.block(index) as block:
            self._decoder.through(block, self._hidden, _by_full_name(block, index, visit))

    def past(self, index: int, finished: Mapping[str, torch.Tensor]) -> None:
        """Take the batch through block `index` as it was left, its finished weights given by their full names.

        The batch comes out bit for bit as from the `through` that made them.
        """
        prefix = block_prefix(index)
        with self._decoder.block(index) as block:
            for name, weight in finished.items():
                block.get_parameter(name.removeprefix(prefix)).data.copy_(weight)
            self._hidden = self._decoder.through(block, self._hidden)
        self._settle(index)

    def _settle(self, index: int) -> None:
        require_finite(f"{block_prefix(index)[:-1]} (its output)", self._hidden)
        if not self._keeps_heap:
            give_back()


def _by_full_name(block: torch.nn.Module, index: int, visit: Callable[[Layers, torch.Tensor], None]) -> Visit:
    """A visitor of a block that hands on the layers themselves."""

    def meet(names: tuple[str, ...], given: torch.Tensor) -> None:
        visit({f"{block_prefix(index)}{name}.weight": block.get_submodule(name) for name in names}, given)

    return meet
