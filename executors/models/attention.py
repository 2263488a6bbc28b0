"""Causal attention for training on the CPU, where the fused kernel's backward pass takes most of its time.

Three products forward and five backward, on whole matrices, which the processor's matrix units are made for; query
heads that share keys and values stand in one product, so nothing is repeated. The probabilities are made again in the
backward pass instead of kept (Dao et al. 2022, FlashAttention, section 3.1), so memory grows with the length of one
layer's scores only. Scores have the model's number format, softmax is computed in float32, as in transformers' plain
attention. Everything but whole causal rows in training goes to PyTorch's own kernel.
"""

from __future__ import annotations

from typing import Any

import torch

NAME = "whole_causal"
LONGEST = 1024
"""Tokens up to which one layer's whole scores are worth holding."""

OTHERS = ("sliding_window", "softcap", "s_aux", "head_mask")
"""What some models ask of an attention and this one does not do."""


def register() -> str:
    """Make the attention known to transformers; the name to choose it by."""
    from transformers.masking_utils import AttentionMaskInterface, sdpa_mask
    from transformers.modeling_utils import AttentionInterface

    AttentionInterface.register(NAME, _attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    return NAME


def _attend(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    dropout: float = 0.0,
    scaling: float | None = None,
    **more: Any,
) -> tuple[Any, None]:
    """As transformers calls an attention: query [batch, heads, time, width], keys and values of fewer heads perhaps."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    is_plain = attention_mask is None and not dropout and getattr(module, "is_causal", True)
    is_square = query.shape[2] == key.shape[2] <= LONGEST and query.shape[3] == value.shape[3]
    is_usual = all(more.get(name) is None for name in OTHERS) and more.get("is_causal") in (None, True)
    is_fast = torch.is_grad_enabled() and query.device.type == "cpu" and query.dtype == torch.bfloat16
    if not (is_plain and is_square and is_usual and is_fast):
        found: tuple[Any, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **more
        )
        return found
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    return _Attention.apply(query, key, value, scale).transpose(1, 2), None


def _grouped(tensor: Any, heads: int) -> Any:
    """[batch, heads, time, width] as one matrix per pair of keys and values."""
    return tensor.reshape(tensor.shape[0] * heads, -1, tensor.shape[-1])


def _probabilities(rows: Any, keys: Any) -> Any:
    """softmax over the past of rows [n, groups * time, width] and keys [n, time, width]."""
    time = keys.shape[1]
    mask = torch.full((time, time), float("-inf"), dtype=rows.dtype).triu_(1).repeat(rows.shape[1] // time, 1)
    return torch.softmax(torch.baddbmm(mask, rows, keys.transpose(1, 2)), -1)


class _Attention(torch.autograd.Function):
    """softmax(s Q K' + causal) V."""

    @staticmethod
    def forward(ctx: Any, query: Any, key: Any, value: Any, scale: float) -> Any:
        heads = key.shape[1]
        rows, keys, values = _grouped(query * scale, heads), _grouped(key, heads), _grouped(value, heads)
        ctx.save_for_backward(rows, keys, values)
        ctx.shapes, ctx.scale = (query.shape, key.shape), scale
        return torch.bmm(_probabilities(rows, keys), values).view(query.shape)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        rows, keys, values = ctx.saved_tensors
        shape, narrow = ctx.shapes
        gradient = _grouped(gradients[0], narrow[1])
        chances = _probabilities(rows, keys)
        to_values = torch.bmm(chances.transpose(1, 2), gradient)
        to_chances = torch.bmm(gradient, values.transpose(1, 2))
        to_scores = torch._softmax_backward_data(to_chances, chances, -1, chances.dtype)
        to_rows = torch.bmm(to_scores, keys).mul_(ctx.scale)
        to_keys = torch.bmm(to_scores.transpose(1, 2), rows)
        return to_rows.view(shape), to_keys.view(narrow), to_values.view(narrow), None
