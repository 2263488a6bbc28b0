"""Cutting the width: one pass of the calibration text, in which every block is cut as it is reached.

Each output projection is met just before it computes. What its inputs and weights say decides which heads (or
neurons) stay; the removed ones are set to zero for the rest of the pass, so that later blocks see the model that will
be written. Finished blocks are kept, so that a killed step goes on after them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from executors.activations.batch import Batch, Layers
from executors.activations.text import CalibrationText
from executors.protocol import Inputs, Say, Stopped
from executors.shrink.plan import STRUCTURE, Cut, cut_of
from executors.shrink.scores import best, feature_energies, group_energies, refit, spread
from executors.tensors.decoder import block_prefix
from executors.tensors.folder import ModelFolder, copy_companions, open_model, write_json
from executors.tensors.header import TensorInfo
from executors.tensors.kept import KeptBlocks
from executors.tensors.source import read_tensor, require_finite
from executors.tensors.writer import TensorSpec, TensorWriter

if TYPE_CHECKING:
    import torch

    from executors.shrink import Config

OUT, DOWN = "self_attn.o_proj.weight", "mlp.down_proj.weight"
_BY_ROW = {
    "self_attn.q_proj": "heads",
    "self_attn.k_proj": "groups",
    "self_attn.v_proj": "groups",
    "mlp.gate_proj": "neurons",
    "mlp.up_proj": "neurons",
}
"""What the rows (and biases) of each projection belong to."""


STRUCTURES = ("groups", "heads", "neurons")


def shrink_width(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    """Write the narrower model, its companions and the record of the cut below `out`."""
    model = open_model(inputs.path("model"))
    cut = cut_of(config, model)
    narrowing = _Narrowing(config, cut, inputs.scratch, say)
    blocks = _by_block(model, cut.layers)
    inside = {info.name for infos in blocks for info in infos}
    record = {}
    with TensorWriter(out, [_spec(info, cut) for info in model.tensors.values()]) as writer:
        for name, info in model.tensors.items():
            if name not in inside:
                writer.write(name, _read(info))
        for index, infos in enumerate(blocks):
            if say.should_stop():
                raise Stopped
            kept = narrowing.block(index)
            for info in infos:
                writer.write(info.name, narrowing.cut(info, kept))
            record[str(index)] = {key: kept[key].tolist() for key in ("groups", "heads")}
            say.progress(index + 1, cut.layers, "layers", f"block {index}")
    write_json(out / "config.json", cut.config())
    copy_companions(model.path, out)
    about = {"neurons": cut.keep_inner, "heads": cut.keep_heads, "groups": cut.keep_groups, "kept": record}
    write_json(out / STRUCTURE, {"schema": 1, "method": "width", **about})
    say.metric("parameters", open_model(out).params)


class _Narrowing:
    """Decides block by block, in order, what stays."""

    def __init__(self, config: Config, cut: Cut, scratch: str, say: Say) -> None:
        self._config, self._cut = config, cut
        text = CalibrationText(config.data, config.sequences, config.seq_len).encode_with(cut.model.path)
        self._batch = Batch(text, cut.model, say)
        settings = {**config.model_dump(mode="json"), "calibration": self._batch.fingerprint}
        self._saved = KeptBlocks(scratch, cut.model, settings, say)
        self._found: dict[str, torch.Tensor] = {}

    def block(self, index: int) -> dict[str, torch.Tensor]:
        """Numbers of the kept `heads`, `groups` and `neurons`, and by their names the output projections, in their
        whole shape with zeros where something goes."""
        kept = self._saved.read(index)
        if kept is None:
            self._found = {}
            self._batch.through(index, self._visit)
            self._saved.keep(index, self._found)
            return self._found
        self._batch.past(index, {name: tensor for name, tensor in kept.items() if name not in STRUCTURES})
        return kept

    def cut(self, info: TensorInfo, kept: dict[str, torch.Tensor]) -> torch.Tensor:
        """What is left of a tensor of a block, in the file's type. `kept`: what `block` said of it."""
        dim = self._cut.head_dim
        if info.name.endswith(OUT):
            return kept[info.name][:, spread(kept["heads"], dim)]
        if info.name.endswith(DOWN):
            return kept[info.name][:, kept["neurons"]]
        weight, what = _read(info), _belongs_to(info.name)
        return weight if what is None else weight[spread(kept[what], 1 if what == "neurons" else dim)]

    def _visit(self, layers: Layers, inputs: torch.Tensor) -> None:
        from executors.activations.hessian import input_hessian
        from executors.prune.scores import input_norms

        (name, layer), *others = layers.items()
        if others or not name.endswith((OUT, DOWN)):
            return
        original = _read(self._cut.model.tensors[name])
        self._found[name] = original
        if self._is_whole(name):
            return
        products = input_hessian(inputs) if self._config.refit else None
        squares = products.diagonal() if products is not None else input_norms(inputs).square()
        require_finite(f"{name.removesuffix('.weight')} (its input)", squares)
        weight = original.to(inputs.device)
        kept = self._choose(name, feature_energies(weight, squares))
        fitted = refit(weight, products, kept) if products is not None else weight[:, kept]
        written = original.zero_()
        written[:, kept.cpu()] = fitted.to("cpu", original.dtype)
        layer.weight.data.copy_(written)

    def _is_whole(self, name: str) -> bool:
        """Whether nothing in front of this output projection goes; notes that all of it stays."""
        import torch

        cut = self._cut
        if name.endswith(DOWN):
            self._found["neurons"] = torch.arange(cut.inner)
            return cut.keep_inner == cut.inner
        self._found["groups"], self._found["heads"] = torch.arange(cut.groups), torch.arange(cut.heads)
        return cut.keep_heads == cut.heads

    def _choose(self, name: str, energies: torch.Tensor) -> torch.Tensor:
        """The kept input features of an output projection; notes which structures they are."""
        cut = self._cut
        if name.endswith(DOWN):
            neurons = best(energies, cut.keep_inner)
            self._found["neurons"] = neurons.cpu()
            return neurons
        if cut.groups > 1:
            groups = best(group_energies(energies, cut.groups), cut.keep_groups)
            heads = spread(groups, cut.heads_per_group)
        else:
            groups = best(group_energies(energies, 1), 1)
            heads = best(group_energies(energies, cut.heads), cut.keep_heads)
        self._found["groups"], self._found["heads"] = groups.cpu(), heads.cpu()
        return spread(heads, cut.head_dim)


def _belongs_to(name: str) -> str | None:
    return next((what for part, what in _BY_ROW.items() if f".{part}." in name), None)


def _spec(info: TensorInfo, cut: Cut) -> TensorSpec:
    """A tensor's shape in the narrower model."""
    rows = {
        "heads": cut.keep_heads * cut.head_dim,
        "groups": cut.keep_groups * cut.head_dim,
        "neurons": cut.keep_inner,
    }
    what = _belongs_to(info.name)
    if what is not None:
        return TensorSpec(info.name, info.dtype, (rows[what], *info.shape[1:]))
    if info.name.endswith(OUT):
        return TensorSpec(info.name, info.dtype, (info.shape[0], rows["heads"]))
    if info.name.endswith(DOWN):
        return TensorSpec(info.name, info.dtype, (info.shape[0], rows["neurons"]))
    return TensorSpec.like(info)


def _by_block(model: ModelFolder, layers: int) -> list[list[TensorInfo]]:
    return [
        [info for info in model.tensors.values() if info.name.startswith(block_prefix(index))]
        for index in range(layers)
    ]


def _read(info: TensorInfo) -> torch.Tensor:
    tensor = read_tensor(info)
    require_finite(info.name, tensor)
    return tensor
