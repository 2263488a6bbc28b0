"""AWQ on decoder blocks: which layer's scales go into which tensor before it, and what a block then looks like.

The scale of an input is undone where that input comes from: in the norm, in the rows of v for the output projection
(one for all query heads that share a key-value head), in the rows of up for down. Lin et al. 2023, arXiv 2306.00978.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from executors.activations.batch import Batch, Layers
from executors.activations.hessian import input_hessian
from executors.quantize.awq import clipped, mean_magnitudes, nearest, search_scales
from executors.quantize.blocks import Block, read_finite
from executors.quantize.compressed_form import Form
from executors.quantize.rounded import Rounded
from executors.tensors.decoder import block_prefix
from executors.tensors.folder import ModelFolder
from executors.tensors.source import require_finite

if TYPE_CHECKING:
    import torch

SOURCES = {
    "self_attn.q_proj": "input_layernorm",
    "self_attn.o_proj": "self_attn.v_proj",
    "mlp.gate_proj": "post_attention_layernorm",
    "mlp.down_proj": "mlp.up_proj",
}
"""Where the inputs of a layer, the first of those that share them, come from."""
UNCLIPPED = ("q_proj.weight", "k_proj.weight")
"""Whose ranges are not narrowed, as in the authors' code: what queries and keys lose is multiplied with each other and
passes through an exponential, so that the error of either output alone is no measure of it."""


class AwqBlocks:
    """Scales and rounds blocks in order; later layers are measured on what the rounded ones before them produce."""

    def __init__(self, model: ModelFolder, form: Form, batch: Batch) -> None:
        self._model, self._form, self._batch = model, form, batch
        heads = int(model.config["num_attention_heads"])
        self._head_dim = int(model.config.get("head_dim") or model.config["hidden_size"] // heads)
        self._done = Block()
        self._prefix = ""

    def block(self, index: int, names: list[str]) -> Block:
        self._done, self._prefix = Block(), block_prefix(index)
        self._batch.watch(index, self._round)
        # Only now, as the block is stored: scaled norms round otherwise than unscaled ones.
        self._batch.past(index, self._done.dense())
        return self._done

    def past(self, index: int, block: Block) -> None:
        self._batch.past(index, block.dense())

    def _round(self, layers: Layers, inputs: torch.Tensor) -> None:
        first = next(iter(layers)).removesuffix(".weight")
        gram = input_hessian(inputs)
        require_finite(f"{first} (its input)", gram)
        weights = {name: read_finite(self._model, name).to(inputs.device).float() for name in layers}
        source = SOURCES.get(first.removeprefix(self._prefix))
        scales = self._scales(source, weights, mean_magnitudes(inputs), gram) if source else None
        if scales is not None:
            gram = gram / scales / scales[:, None]
        for name, layer in layers.items():
            scaled = weights[name] if scales is None else weights[name] * scales
            rounded = self._rounded(name, scaled, gram)
            dense = rounded.dense()
            layer.weight.data.copy_(dense if scales is None else dense / scales)
            self._done.rounded[name] = rounded.cpu()

    def _rounded(self, name: str, weight: torch.Tensor, gram: torch.Tensor) -> Rounded:
        form = self._form
        group = form.group or weight.shape[1]
        if name.endswith(UNCLIPPED):
            return nearest(weight, form.bits, group, form.symmetric)
        return clipped(weight, gram, form.bits, group, form.symmetric)

    def _scales(
        self, source: str, weights: dict[str, torch.Tensor], magnitudes: torch.Tensor, gram: torch.Tensor
    ) -> torch.Tensor | None:
        """The scales of the inputs, already undone in `source`; None where that cannot take them."""
        import torch

        name = f"{self._prefix}{source}.weight"
        rows = self._model.tensors[name].shape[0]
        shared = len(magnitudes) // rows
        if shared * rows != len(magnitudes):
            return None
        if shared > 1:
            by_head = magnitudes.reshape(-1, shared, self._head_dim).mean(1, keepdim=True)
            magnitudes = by_head.expand(-1, shared, -1).reshape(-1)
        joined = torch.cat(list(weights.values()))
        form = self._form
        scales = search_scales(joined, magnitudes, gram, form.bits, form.group or len(magnitudes), form.symmetric)
        if source.endswith("norm"):
            return self._undo_in_norm(name, scales)
        own = scales.reshape(-1, shared, self._head_dim)[:, 0].reshape(-1) if shared > 1 else scales
        self._undo_in_rows(name, own.cpu())
        return scales

    def _undo_in_norm(self, name: str, scales: torch.Tensor) -> torch.Tensor:
        """Divide a norm; back come the scales that its rounded weights really undo."""
        import torch

        norm = read_finite(self._model, name).to(scales.device)
        divided = (norm.float() / scales).to(norm.dtype)
        self._done.changed[name] = divided.cpu()
        exact = norm.float() / divided.float()
        return torch.where((divided != 0) & (exact > 0), exact, scales)

    def _undo_in_rows(self, name: str, scales: torch.Tensor) -> None:
        """Divide the rows of a weight that is rounded already: its integers stay as they are."""
        before = self._done.rounded[name]
        divided = (before.scales / scales[:, None]).bfloat16().float()
        self._done.rounded[name] = Rounded(before.values, divided, before.zeros)
        bias = name.removesuffix("weight") + "bias"
        if bias in self._model.tensors:
            value = read_finite(self._model, bias)
            self._done.changed[bias] = (value.float() / scales).to(value.dtype)
