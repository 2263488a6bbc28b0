"""Cross-entropy of a frozen head, made and undone piece by piece.

The logits of one batch take gigabytes where a vocabulary is large: each piece of rows is projected, its loss and its
gradient are computed, and its logits are gone before the next one comes. Nothing has to be remembered for the backward
pass but the gradient itself. Method: Hsu et al. 2024, Liger Kernel, section 3.2.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import linear

PIECE_BYTES = 16 * 2**20
"""Float32 logits of one piece: what a processor's cache holds."""


def head_loss(hidden: Any, weight: Any, targets: Any) -> Any:
    """Summed nats of `targets` [n] by the logits `hidden` [n, width] times `weight` [vocabulary, width], in float32."""
    return _HeadLoss.apply(hidden, weight, targets)


class _HeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Any, weight: Any, targets: Any) -> Any:
        rows = max(1, PIECE_BYTES // (4 * weight.shape[0]))
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        gradient = torch.empty_like(hidden)
        for at in range(0, hidden.shape[0], rows):
            logits = linear(hidden[at : at + rows], weight).float()
            wanted = targets[at : at + rows, None]
            norm = logits.logsumexp(-1, keepdim=True)
            total += (norm - logits.gather(1, wanted)).sum()
            chances = logits.sub_(norm).exp_()
            chances.scatter_add_(1, wanted, torch.full_like(norm, -1.0))
            gradient[at : at + rows] = chances.to(hidden.dtype) @ weight
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (gradient,) = ctx.saved_tensors
        return gradient * gradients[0], None, None
