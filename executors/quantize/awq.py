"""AWQ: inputs that carry much are scaled up before rounding, so that rounding costs them least.

Lin et al. 2023, arXiv 2306.00978, section 3.2: y = Q(W diag(s)) diag(s)^-1 x with s = (mean |x|)^a, a searched on a
grid for the least error of the layer's output; then the range of each group is clipped where that costs less (the
authors' code). Here both searches measure the output error exactly, through X^T X. Plain tensor functions without
input or output.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from executors.quantize.rounded import Rounded, integer_range

if TYPE_CHECKING:
    import torch

GRID = tuple(step / 10 for step in range(11))
"""Exponents that are tried; 0 scales nothing."""
FINE = (-0.05, 0.05)
"""Tried around the best of them."""
CLIPS = tuple(1 - 0.05 * step for step in range(10))
"""Shares of a group's range that are tried as its end."""
ROWS = 1024
"""Rows that the search of scales looks at, taken evenly: the scales are shared by all of them."""


def mean_magnitudes(inputs: torch.Tensor) -> torch.Tensor:
    """Mean |x| of each feature over all tokens: inputs [..., features] to [features], in 32 bits."""
    import torch

    rows = inputs.reshape(-1, inputs.shape[-1])
    total = torch.zeros(rows.shape[1], dtype=torch.float32, device=rows.device)
    for chunk in rows.split(4096):
        total += chunk.abs().float().sum(0)
    return total / len(rows)


def search_scales(
    weight: torch.Tensor, magnitudes: torch.Tensor, gram: torch.Tensor, bits: int, group: int, symmetric: bool
) -> torch.Tensor:
    """The scales s [in] of a weight [out, in] with the least error of its output; `gram`: X^T X of its inputs."""
    import torch

    rows = weight[:: max(1, len(weight) // ROWS)].float()
    product = gram.bfloat16() if gram.device.type == "cpu" else gram

    def error(exponent: float) -> float:
        scales = _scales(magnitudes, exponent)
        change = nearest(rows * scales, bits, group, symmetric).dense().div_(scales).sub_(rows)
        return float(((change.to(product.dtype) @ product).float() * change).sum())

    found = {exponent: error(exponent) for exponent in GRID}
    best = min(found, key=lambda exponent: found[exponent])
    found.update({best + step: error(best + step) for step in FINE if 0 <= best + step <= 1})
    best = min(found, key=lambda exponent: found[exponent])
    return _scales(magnitudes, best) if best > 0 else torch.ones_like(magnitudes)


def _scales(magnitudes: torch.Tensor, exponent: float) -> torch.Tensor:
    # An input that was never seen must neither vanish nor blow up its weights.
    scales = magnitudes.clamp(min=1e-4 * float(magnitudes.mean()) + 1e-12).pow(exponent)
    return scales / (scales.max() * scales.min()).sqrt()


def nearest(
    weight: torch.Tensor, bits: int, group: int, symmetric: bool, shares: torch.Tensor | None = None
) -> Rounded:
    """Weight [out, in] rounded to the nearest, in groups of `group` inputs.

    `shares` [out, groups]: how much of each group's range is kept; all of it when not given.
    """
    import torch

    low, high = integer_range(bits)
    groups = weight.float().reshape(len(weight), -1, group)
    if symmetric:
        start, span, steps = None, groups.abs().amax(-1), high
    else:
        # Zero is always in the range: it has an integer of its own, and pruned weights stay zero.
        start = groups.amin(-1).clamp_(max=0)
        span, steps = groups.amax(-1).clamp_(min=0) - start, high - low
    if shares is not None:
        span = span * shares
        start = None if start is None else start * shares
    scales = (span / steps).bfloat16().float()
    scales[scales == 0] = 1
    wide = groups / scales.unsqueeze(-1)
    if start is None:
        return Rounded(wide.round_().clamp_(low, high).to(torch.int8).reshape(weight.shape), scales)
    zeros = (low - start / scales).round_().clamp_(low, high)
    wide = wide.add_(zeros.unsqueeze(-1)).round_().clamp_(low, high)
    return Rounded(wide.to(torch.int8).reshape(weight.shape), scales, zeros.to(torch.int8))


def clipped(weight: torch.Tensor, gram: torch.Tensor, bits: int, group: int, symmetric: bool) -> Rounded:
    """Weight [out, in] rounded to the nearest, the range of each group narrowed to where its output error is least.

    `gram`: X^T X [in, in] of the inputs; only its blocks of one group each are looked at.
    """
    import torch

    groups = weight.shape[1] // group
    blocks = torch.stack([gram[at : at + group, at : at + group] for at in range(0, weight.shape[1], group)])
    best = torch.full((len(weight), groups), float("inf"), device=weight.device)
    shares = torch.ones_like(best)
    for share in CLIPS:
        tried = torch.full_like(best, share)
        change = nearest(weight, bits, group, symmetric, tried).dense().sub_(weight)
        # [groups, out, group] times [groups, group, group]
        split = change.reshape(len(weight), groups, group).transpose(0, 1)
        error = (torch.bmm(split, blocks) * split).sum(-1).T
        is_better = error < best
        best, shares = torch.where(is_better, error, best), torch.where(is_better, tried, shares)
    return nearest(weight, bits, group, symmetric, shares)
