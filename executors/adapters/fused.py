"""Plain LoRA layers computed with as few passes over memory as they need.

A layer as PEFT computes it reads and writes its output three times more than the product itself: the update is made,
scaled, and added, and each has a backward pass of its own. Here the update is added by the product that makes it, and
the scale is taken to the narrow side. On a CPU that is a good part of a step; the sums are the same up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.functional import linear


def fuse(model: Any) -> int:
    """Give every LoRA layer this is right for its short way; how many there are.

    Left as they are: layers without a plain frozen linear base, with dropout, DoRA or a bias of their own, in another
    number format than the base, and whatever was changed before (masked layers).
    """
    count = 0
    for layer in model.modules():
        if _fits(layer):
            layer.forward = _short(layer, layer.forward)
            count += 1
    return count


def _fits(layer: Any) -> bool:
    from peft.tuners.lora.layer import Linear

    if type(layer) is not Linear or "forward" in vars(layer) or type(layer.base_layer) is not torch.nn.Linear:
        return False
    names = layer.active_adapters
    if len(names) != 1 or names[0] not in layer.lora_A or names[0] in layer.lora_variant:
        return False
    a, b, base = layer.lora_A[names[0]], layer.lora_B[names[0]], layer.base_layer
    is_frozen = not any(parameter.requires_grad for parameter in base.parameters())
    is_plain = a.bias is None and b.bias is None and isinstance(layer.lora_dropout[names[0]], torch.nn.Identity)
    return is_frozen and is_plain and a.weight.dtype == b.weight.dtype == base.weight.dtype and not layer.fan_in_fan_out


def _short(layer: Any, usual: Callable[..., Any]) -> Callable[..., Any]:
    """The forward pass of `layer`: the short way while its one adapter is trained, `usual` otherwise."""
    (name,) = layer.active_adapters

    def forward(x: Any, *given: Any, **named: Any) -> Any:
        is_usual = given or named or layer.disable_adapters or layer.merged or layer.active_adapters != [name]
        if is_usual or x.dtype != layer.base_layer.weight.dtype or not torch.is_grad_enabled():
            return usual(x, *given, **named)
        base, a, b = layer.base_layer, layer.lora_A[name].weight, layer.lora_B[name].weight
        return _Update.apply(x, base.weight, base.bias, a, b, layer.scaling[name])

    return forward


class _Update(torch.autograd.Function):
    """y = x W' + c + s (x A') B' for x [..., in], frozen W [out, in] and c [out], A [rank, in], B [out, rank]."""

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, bias: Any, a: Any, b: Any, scale: float) -> Any:
        rows = x.reshape(-1, x.shape[-1])
        narrow = linear(rows, a).mul_(scale)
        result = linear(rows, weight, bias).addmm_(narrow, b.t())
        ctx.save_for_backward(x, weight, a, b, narrow)
        ctx.scale = scale
        return result.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        x, weight, a, b, narrow = ctx.saved_tensors
        rows = x.reshape(-1, x.shape[-1])
        gradient = gradients[0].reshape(-1, gradients[0].shape[-1])
        below = (gradient @ b).mul_(ctx.scale)
        to_x = None
        if ctx.needs_input_grad[0]:
            to_x = (gradient @ weight).addmm_(below, a).view_as(x)
        return to_x, None, None, below.t() @ rows, gradient.t() @ narrow, None
