"""The calibration batch on its way through a model, one block at a time, each linear layer met just before it computes.

What a visitor changes in a layer is what the rest of the pass sees, so that every later layer is calibrated on what the
compressed model really produces. It keeps no activations but the batch itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from advisor.domain.plan import DataSpec
from executors.activations.text import calibration_ids
from executors.protocol import Say
from executors.tensors.decoder import BeforeLinear, StreamedDecoder, block_prefix, fast_place, watching
from executors.tensors.folder import ModelFolder
from executors.tensors.memory import give_back, reuse_large_blocks
from executors.tensors.source import FolderSource, require_finite

if TYPE_CHECKING:
    import torch

SMALL_ACTIVATION = 64 * 2**20
"""Bytes up to which keeping freed blocks is worth it; with larger ones the kept heap would grow with the model."""

TOGETHER = (
    ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    ("mlp.gate_proj", "mlp.up_proj"),
)
"""Layers of a block that are fed one and the same tensor."""

Layers = dict[str, "torch.nn.Linear"]
"""Linear layers by the full name of their weight."""


class Batch:
    """Hidden states [sequences, length, width] of the calibration text. `through` moves them by one block."""

    def __init__(self, data: DataSpec, model: ModelFolder, sequences: int, seq_len: int, say: Say) -> None:
        ids = calibration_ids(data, model.path, sequences, seq_len, say)
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
        with self._decoder.block(index) as block, watching(block, _once_per_input(block, index, visit)):
            self._hidden = self._decoder.through(block, self._hidden)
        self._settle(index)

    def watch(self, index: int, visit: Callable[[Layers, torch.Tensor], None]) -> None:
        """As `through`, but the batch stays where it is: `past` is to follow."""
        with self._decoder.block(index) as block, watching(block, _once_per_input(block, index, visit)):
            self._decoder.through(block, self._hidden)

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


def _once_per_input(block: torch.nn.Module, index: int, visit: Callable[[Layers, torch.Tensor], None]) -> BeforeLinear:
    """A visitor of single layers that meets those of a group with the first of them."""
    met: set[str] = set()

    def meet(name: str, layer: torch.nn.Linear, given: torch.Tensor) -> None:
        if name in met:
            return
        names = next((group for group in TOGETHER if name in group), (name,))
        met.update(names)
        layers = {f"{block_prefix(index)}{one}.weight": block.get_submodule(one) for one in names}
        visit(layers, given)

    return meet
