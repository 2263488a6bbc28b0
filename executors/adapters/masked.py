"""Training a pruned model without filling its zeros: LoRA under the mask, and whole weights by masked gradients.

A LoRA layer computes W + M * (s * B A), with M = 1 where W was not pruned, so that the merge under the same mask gives
exactly what was trained (as in SQFT, Munoz et al. 2024, arXiv 2410.03750, section 3.2). An adapter trained so says in
`masked.json` of which tensors. `lora_dropout` has no place in this form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from executors.tensors.folder import read_json, write_json

FILE = "masked.json"
_PREFIX = "base_model.model."


def keep_zeros(model: Any, folder: Path, names: Iterable[str], method: str) -> None:
    """Let the training of `model`, made from `folder`, keep to the zeros of the tensors `names`.

    `method`: full, or one whose layers are LoRA's. Others leave the weights as they are.
    """
    from executors.tensors.folder import open_model
    from executors.tensors.source import read_tensor

    stored = open_model(folder).tensors

    def mask_of(name: str) -> Any:
        return read_tensor(stored[name]) != 0

    if method == "full":
        for name, parameter in model.named_parameters():
            if name in set(names):
                parameter.register_hook(_masking(mask_of(name).to(parameter.device)))
        return
    mask_layers(model, set(names), mask_of)


def mask_layers(model: Any, names: set[str], mask_of: Callable[[str], Any] | None = None) -> None:
    """Put LoRA layers over the tensors `names` under their mask: of `mask_of`, or the zeros of the loaded weight."""
    masked = []
    for path, layer in model.named_modules():
        name = f"{path.removeprefix(_PREFIX)}.weight"
        if hasattr(layer, "lora_A") and name in names:
            weight = layer.base_layer.weight
            mask = mask_of(name).to(weight.device) if mask_of is not None else weight != 0
            layer.forward = _under(layer, mask)
            masked.append(name)
    model.masked_tensors = tuple(sorted(masked))


def mark(model: Any, folder: Path) -> None:
    """Say in the adapter's folder which of its tensors were trained under a mask, if any were."""
    names = getattr(model, "masked_tensors", ())
    if names:
        write_json(folder / FILE, {"schema": 1, "tensors": list(names)})


def masked_names(folder: Path) -> set[str]:
    """The tensors that an adapter was trained on under their mask."""
    return set(read_json(folder / FILE)["tensors"]) if (folder / FILE).is_file() else set()


def _masking(mask: Any) -> Callable[[Any], Any]:
    return lambda gradient: gradient * mask


def _under(layer: Any, mask: Any) -> Callable[..., Any]:
    """The forward pass of a LoRA layer under its mask."""
    import torch
    from torch.nn.functional import linear
    from torch.utils.checkpoint import checkpoint

    base = layer.base_layer

    def compute(x: Any, is_dense: bool, *parts: Any) -> Any:
        update = sum(b @ a * layer.scaling[name] for name, a, b in zip(active(), parts[::2], parts[1::2], strict=True))
        update = update * mask
        if is_dense:
            return linear(x, base.weight + update.to(base.weight.dtype), base.bias)
        return base(x) + linear(x, update.to(x.dtype))

    def active() -> list[str]:
        return [name for name in layer.active_adapters if name in layer.lora_A]

    def forward(x: Any, *_: Any, **__: Any) -> Any:
        names = active()
        if layer.disable_adapters or not names:
            return base(x)
        parts = [w for name in names for w in (layer.lora_A[name].weight, layer.lora_B[name].weight)]
        is_dense = type(base) is torch.nn.Linear
        if not torch.is_grad_enabled():
            return compute(x, is_dense, *parts)
        # The changed weight is as large as the layer: made again in the backward pass instead of kept.
        return checkpoint(compute, x, is_dense, *parts, use_reentrant=False)

    return forward
