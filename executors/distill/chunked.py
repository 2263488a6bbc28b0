"""A loss over two models' logits that never stand in memory whole.

Logits are made for a few positions at a time, together with their gradient, and forgotten. Peak memory grows with
`MAX_NUMBERS`, not with positions times vocabulary; no logit is computed twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

MAX_NUMBERS = 2**22
"""Logits of one model at a time: 16 MiB in 32 bits; a loss holds a few such."""

Head = Callable[[Any], Any]
"""Hidden states [positions, width] to logits [positions, vocabulary]."""
Rule = Callable[[Any, Any, slice], Any]
"""Student's logits, teacher's logits (or None), and which positions they are of, to a summed loss."""


def chunked_loss(
    hidden: Any, head: Head, weights: list[Any], guide: Any, guide_head: Head | None, vocabulary: int, rule: Rule
) -> Any:
    """The sum of `rule` over all positions, differentiable by `hidden` [positions, width] and by `weights`.

    `weights`: the parameters inside `head` that are trained. `guide`: the teacher's hidden states [positions, width].
    """
    import torch

    rows = max(1, MAX_NUMBERS // vocabulary)

    def part(states: Any, where: slice) -> Any:
        with torch.no_grad():
            theirs = guide_head(guide[where]) if guide_head is not None else None
        return rule(head(states), theirs, where)

    return _function().apply(part, rows, hidden, *weights)


def _function() -> Any:
    import torch

    class Chunked(torch.autograd.Function):
        """Gradients are computed in the forward pass, where the logits are, and scaled in the backward pass."""

        @staticmethod
        def forward(ctx: Any, part: Any, rows: int, hidden: Any, *weights: Any) -> Any:
            is_trained = ctx.needs_input_grad[2] or any(ctx.needs_input_grad[3:])
            total = torch.zeros((), dtype=torch.float32, device=hidden.device)
            slopes = torch.zeros_like(hidden) if is_trained else None
            sums = [torch.zeros_like(weight, dtype=torch.float32) for weight in weights] if is_trained else []
            for start in range(0, len(hidden), rows):
                where = slice(start, min(start + rows, len(hidden)))
                with torch.set_grad_enabled(is_trained):
                    states = hidden[where].detach().requires_grad_(is_trained)
                    loss = part(states, where)
                total += loss.detach()
                if slopes is not None:
                    found = torch.autograd.grad(loss, [states, *weights])
                    slopes[where] = found[0]
                    for total_of_weight, one in zip(sums, found[1:], strict=True):
                        total_of_weight += one
            ctx.save_for_backward(slopes, *(s.to(w.dtype) for s, w in zip(sums, weights, strict=True)))
            return total

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            slopes, *sums = ctx.saved_tensors
            (grad,) = grads
            return None, None, slopes * grad.to(slopes.dtype), *(s * grad.to(s.dtype) for s in sums)

    return Chunked


def head_of(model: Any) -> Head:
    """What turns the last hidden states of a model into logits, as the model itself does it."""
    layer, config = model.get_output_embeddings(), model.config.get_text_config()
    cap = getattr(config, "final_logit_softcapping", None)
    scale = float(getattr(config, "logit_scale", None) or 1) / float(getattr(config, "logits_scaling", None) or 1)

    def logits(states: Any) -> Any:
        found = layer(states.to(layer.weight.dtype)).float()
        found = found * scale if scale != 1 else found
        return (found / cap).tanh() * cap if cap else found

    return logits


def trained_weights(model: Any) -> list[Any]:
    """The parameters of a model's output layer that are trained."""
    return [p for p in model.get_output_embeddings().parameters() if p.requires_grad]
