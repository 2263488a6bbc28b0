"""Pruning a model from folder to folder, block by block.

One forward pass per block: each linear layer is pruned just before it computes, so every later layer is calibrated on
what the pruned model really produces.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from executors.protocol import Inputs, Say, Stopped
from executors.prune.layers import LEDGER, Ledger, by_block
from executors.prune.scores import input_norms, keep, magnitude_scores, wanda_scores
from executors.tensors.decoder import StreamedDecoder, block_prefix, fast_place, watching
from executors.tensors.folder import ModelFolder, copy_companions, open_model, write_json
from executors.tensors.header import TensorInfo
from executors.tensors.memory import give_back, reuse_large_blocks
from executors.tensors.source import FolderSource, read_tensor, require_finite
from executors.tensors.writer import TensorSpec, TensorWriter

if TYPE_CHECKING:
    import torch

    from executors.prune import Config

Masks = dict[str, "torch.Tensor"]

SMALL_ACTIVATION = 64 * 2**20
"""Bytes up to which keeping freed blocks is worth it; with larger ones the kept heap would grow with the model."""


def prune(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    """Write the pruned model, its companions and the sparsity ledger below `out`."""
    model = open_model(inputs.path("model"))
    ledger = Ledger(config.method, config.pattern, config.sparsity)
    blocks = by_block(model)
    targets = {info.name for infos in blocks.values() for info in infos}
    calibration = _Calibration(config, model, say) if config.method == "wanda" else None
    with TensorWriter(out, map(TensorSpec.like, model.tensors.values())) as writer:
        for name, info in model.tensors.items():
            if name not in targets:
                tensor = read_tensor(info)
                require_finite(name, tensor)
                writer.write(name, tensor)
        for number, (index, infos) in enumerate(blocks.items(), start=1):
            if say.should_stop():
                raise Stopped
            masks = calibration.masks(index) if calibration else {}
            for info in infos:
                _write_pruned(info, masks.get(info.name), config, writer, ledger)
            say.metric("layer_sparsity", ledger.fraction([info.name for info in infos]), at=index)
            say.progress(number, len(blocks), "layers", f"block {index}")
    write_json(out / "config.json", model.config)
    copy_companions(model.path, out)
    write_json(out / LEDGER, ledger.content())
    say.metric("sparsity", ledger.fraction())


def _write_pruned(
    info: TensorInfo, mask: torch.Tensor | None, config: Config, writer: TensorWriter, ledger: Ledger
) -> None:
    weight = read_tensor(info)
    require_finite(info.name, weight)
    if mask is None:
        mask = keep(magnitude_scores(weight), config.sparsity, config.pattern, per_row=False)
    weight.masked_fill_(~mask, 0)
    writer.write(info.name, weight)
    ledger.add(info.name, weight.numel() - int(weight.count_nonzero()), weight.numel())


class _Calibration:
    """The calibration batch on its way through the model: `masks` moves it through one block."""

    def __init__(self, config: Config, model: ModelFolder, say: Say) -> None:
        from executors.prune.calibration import calibration_ids

        assert config.data is not None
        ids = calibration_ids(config.data, model.path, config.sequences, config.seq_len, say)
        is_small = ids.numel() * int(model.config.get("intermediate_size", 0)) * 2 <= SMALL_ACTIVATION
        self.keeps_heap = is_small and reuse_large_blocks()
        device, dtype = fast_place()
        self.config = config
        self.decoder = StreamedDecoder(FolderSource(model), model.path, dtype, device)
        self.hidden = self.decoder.embed(ids)

    def masks(self, index: int) -> Masks:
        """Prune block `index` in memory, take the batch through it, and return its masks by tensor name."""
        masks: Masks = {}
        norms: list[tuple[torch.Tensor, torch.Tensor]] = []

        def visit(name: str, layer: torch.nn.Linear, given: torch.Tensor) -> None:
            # Query, key and value (gate and up) are fed one and the same tensor: its norms are computed once.
            if not norms or norms[0][0] is not given:
                norms[:] = [(given, input_norms(given))]
                require_finite(f"{block_prefix(index)}{name} (its input)", norms[0][1])
            scores = wanda_scores(layer.weight.data, norms[0][1])
            mask = keep(scores, self.config.sparsity, self.config.pattern, per_row=True)
            layer.weight.data.masked_fill_(~mask, 0)
            masks[f"{block_prefix(index)}{name}.weight"] = mask.cpu()

        with self.decoder.block(index) as block, watching(block, visit):
            self.hidden = self.decoder.through(block, self.hidden)
        norms.clear()
        if not self.keeps_heap:
            give_back()
        return masks
