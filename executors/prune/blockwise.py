"""Pruning a model from folder to folder, block by block.

With a calibrated method one forward pass per block: each linear layer is pruned just before it computes, so every later
layer is calibrated on what the pruned model really produces. Magnitude needs no pass and is soon done anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from executors.process.preload import importing
from executors.protocol import Inputs, Say, Stopped
from executors.prune.layers import LEDGER, Ledger, by_block
from executors.prune.scores import keep, magnitude_scores
from executors.tensors.folder import copy_companions, open_model, write_json
from executors.tensors.header import TensorInfo
from executors.tensors.select import set_zero, zeros_in
from executors.tensors.source import read_tensor, require_finite
from executors.tensors.writer import TensorSpec, TensorWriter

if TYPE_CHECKING:
    import torch

    from executors.prune import Config


def prune(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    """Write the pruned model, its companions and the sparsity ledger below `out`."""
    text = calibrated = None
    if config.method != "magnitude":
        from executors.activations.text import CalibrationText

        assert config.data is not None
        # Before torch is imported: see there.
        text = CalibrationText(config.data, config.sequences, config.seq_len)
    with importing("torch"):
        model = open_model(inputs.path("model"))
        if text is not None:
            text.encode_with(model.path)
    ledger = Ledger(config.method, config.pattern, config.sparsity)
    blocks = by_block(model)
    targets = {info.name for infos in blocks.values() for info in infos}
    if text is not None:
        from executors.prune.calibrated import CalibratedPruning

        calibrated = CalibratedPruning(config, model, text, inputs.scratch, say)
    with TensorWriter(out, map(TensorSpec.like, model.tensors.values())) as writer:
        for name, info in model.tensors.items():
            if name not in targets:
                tensor = read_tensor(info)
                require_finite(name, tensor)
                writer.write(name, tensor)
        for number, (index, infos) in enumerate(blocks.items(), start=1):
            if say.should_stop():
                raise Stopped
            pruned = calibrated.block(index) if calibrated else {}
            for info in infos:
                weight = pruned.pop(info.name) if calibrated else _by_magnitude(info, config)
                writer.write(info.name, weight)
                ledger.add(info.name, zeros_in(weight), weight.numel())
            say.metric("layer_sparsity", ledger.fraction([info.name for info in infos]), at=index)
            say.progress(number, len(blocks), "layers", f"block {index}")
    write_json(out / "config.json", model.config)
    copy_companions(model.path, out)
    write_json(out / LEDGER, ledger.content())
    say.metric("sparsity", ledger.fraction())


def _by_magnitude(info: TensorInfo, config: Config) -> torch.Tensor:
    weight = read_tensor(info)
    require_finite(info.name, weight)
    set_zero(weight, keep(magnitude_scores(weight), config.sparsity, config.pattern, per_row=False))
    return weight
