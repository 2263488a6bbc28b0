"""Choosing integers once more, one column after the other, with all others as they are: coordinate descent.

GPTQ settles each column before it knows what the later ones become. A sweep over all of them, each taking the integer
of least output error given the rest, lowers the error of every row or leaves it (Behdin et al. 2023, QuantEase, arXiv
2309.01885, section 3). Plain tensor functions without input or output.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from executors.activations.hessian import damped
from executors.quantize.rounded import Rounded, integer_range

if TYPE_CHECKING:
    import torch

PANEL = 64
"""Columns whose changes are gathered before the columns behind them are told."""


def descend(
    rounded: Rounded, weight: torch.Tensor, hessian: torch.Tensor, bits: int, keep: torch.Tensor | None = None
) -> Rounded:
    """One sweep over the columns, with the scales and zeros as they are.

    `weight` [out, in]: what was rounded; `hessian` [in, in] of its inputs, damped here as for GPTQ; `keep` [out, in]:
    the weights that may differ from zero.
    """
    import torch

    curvature = damped(hessian)
    values = rounded.values.T.float().contiguous()
    scales = rounded.scales.T.contiguous()
    zeros = torch.zeros_like(scales) if rounded.zeros is None else rounded.zeros.T.float().contiguous()
    allowed = None if keep is None else keep.T.contiguous()
    slope = curvature @ (rounded.dense() - weight.float()).T
    group = len(values) // len(scales)
    for start in range(0, len(values), PANEL):
        stop = min(start + PANEL, len(values))
        changes = torch.empty_like(values[start:stop])
        for column in range(start, stop):
            scale, zero = scales[column // group], zeros[column // group]
            before = values[column] - zero
            wanted = before - slope[column] / (scale * curvature[column, column])
            whole = wanted.add_(zero).round_().clamp_(*integer_range(bits)).sub_(zero)
            if allowed is not None:
                whole.mul_(allowed[column])
            change = (whole - before).mul_(scale)
            slope[column:stop].addmm_(curvature[column:stop, column, None], change[None])
            changes[column - start] = change
            values[column] = whole + zero
        slope[stop:].addmm_(curvature[stop:, start:stop], changes)
    return Rounded(values.T.to(torch.int8).contiguous(), rounded.scales, rounded.zeros)
