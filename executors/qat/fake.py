"""Rounding weights in the forward pass while gradients go to the full ones: torchao's fake quantizers in a model.

The gradient passes the rounding as if it were not there (straight-through; Bengio et al. 2013, arXiv 1308.3432). With
LoRA the sum of base and low-rank product is rounded, as it will be stored; rounding the base alone would leave a merged
weight that was never rounded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from executors.quantize.rounded import Rounded, integer_range

if TYPE_CHECKING:
    import torch

_NAME = re.compile(r"(model\.layers\.\d+\..+)$")


@dataclass(frozen=True)
class Layer:
    """A linear layer whose weight is rounded. `weight()`: what is rounded, in 32 bits, low-rank product included."""

    name: str
    module: Any
    weight: Callable[[], torch.Tensor]
    quantizer: Any

    def rounded(self) -> Rounded:
        """The weight as it is stored: the integers and scales of the fake quantizer."""
        import torch

        with torch.no_grad():
            weight = self.weight()
            fake = self.quantizer(weight)
            scales = self.quantizer.scale.float()
            bits = self.quantizer.config.dtype
            low, high = integer_range(_bits(bits))
            wide = fake.reshape(*scales.shape, -1) / scales.unsqueeze(-1)
            values = wide.round().clamp(low, high).to(torch.int8).reshape(weight.shape)
            return Rounded(values.cpu(), scales.cpu())


def prepare(model: Any, bits: int, group: int, masks: Mapping[str, torch.Tensor]) -> list[Layer]:
    """Make every linear layer inside the decoder blocks compute with its rounded weight; the layers, in order.

    `masks` by the name of the weight: what a pruned model keeps; the rest stays zero.
    """
    import torch

    layers = []
    for path, module in model.named_modules():
        found = _NAME.search(path)
        is_adapted = hasattr(module, "base_layer") and hasattr(module, "lora_A")
        is_plain = isinstance(module, torch.nn.Linear) and ".lora_" not in path and not path.endswith(".base_layer")
        if not found or not (is_adapted or is_plain):
            continue
        name = f"{found[1]}.weight"
        quantizer = _quantizer(bits, group)
        layer = Layer(name, module, _weight(module, is_adapted, masks.get(name)), quantizer)
        module.forward = _forward(layer, module.base_layer if is_adapted else module)
        layers.append(layer)
    return layers


def _quantizer(bits: int, group: int) -> Any:
    import torch
    from torchao.quantization.qat import IntxFakeQuantizeConfig, IntxFakeQuantizer

    # Scales of 16 bits: those that are stored are those that are trained with.
    config = IntxFakeQuantizeConfig(
        getattr(torch, f"int{bits}"), group_size=group, is_symmetric=True, scale_precision=torch.bfloat16
    )
    return IntxFakeQuantizer(config)


def _bits(dtype: Any) -> int:
    return int(str(dtype).rsplit("int", 1)[1])


def _weight(module: Any, is_adapted: bool, mask: torch.Tensor | None) -> Callable[[], torch.Tensor]:
    def masked(weight: torch.Tensor) -> torch.Tensor:
        return weight if mask is None else weight * mask.to(weight.device)

    def plain() -> torch.Tensor:
        return masked(module.weight.float())

    def merged() -> torch.Tensor:
        (adapter,) = module.lora_A
        product = module.lora_B[adapter].weight.float() @ module.lora_A[adapter].weight.float()
        return masked(module.base_layer.weight.float() + module.scaling[adapter] * product)

    return merged if is_adapted else plain


def _forward(layer: Layer, linear: Any) -> Callable[..., torch.Tensor]:
    import torch

    def forward(given: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        weight = layer.quantizer(layer.weight()).to(given.dtype)
        return torch.nn.functional.linear(given, weight, linear.bias)

    return forward
