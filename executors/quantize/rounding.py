"""GPTQ: rounding weights column by column while the columns still free take over the error.

Frantar et al. 2022, arXiv 2210.17323, section 3 and algorithm 1, with the scales of a group found on its columns after
every earlier error has been taken over (section 4, grouping). Plain tensor functions without input or output.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from executors.activations.compensation import compensate
from executors.quantize.rounded import Rounded, integer_range

if TYPE_CHECKING:
    import torch

CLIPS = tuple(1 - 0.05 * step for step in range(8))
"""Shares of the range that are tried as its end."""


def group_scales(
    columns: torch.Tensor, importance: torch.Tensor, bits: int, symmetric: bool = True
) -> tuple[torch.Tensor, torch.Tensor]:
    """Scales and zeros, one per row of a group's columns [columns, out]: [out] each, in 32 bits.

    Scales are rounded to bfloat16 already. Of a few ranges the one with the least squared error, each column weighed by
    `importance` [columns]. A symmetric range has the zero 0.
    """
    import torch

    low, high = integer_range(bits)
    ends = columns.abs().amax(dim=0) if symmetric else columns.amax(dim=0).clamp_(min=0)
    start = torch.zeros_like(ends) if symmetric else columns.amin(dim=0).clamp_(max=0)
    best = torch.full_like(ends, float("inf"))
    scales, zeros = torch.ones_like(ends), torch.zeros_like(ends)
    for share in CLIPS:
        # Rounded first: the scale that is stored is the scale that integers are made with.
        scale = ((ends - start) * (share / (high if symmetric else high - low))).bfloat16().float()
        scale[scale == 0] = 1
        zero = torch.zeros_like(scale) if symmetric else (low - start * share / scale).round_().clamp_(low, high)
        error = (columns / scale).add_(zero).round_().clamp_(low, high).sub_(zero).mul_(scale).sub_(columns).square_()
        error = importance @ error
        is_better = error < best
        best = torch.where(is_better, error, best)
        scales, zeros = torch.where(is_better, scale, scales), torch.where(is_better, zero, zeros)
    return scales, zeros


def gptq(
    weights: list[torch.Tensor],
    factor: torch.Tensor,
    bits: int,
    group: int,
    keep: list[torch.Tensor] | None = None,
    symmetric: bool = True,
) -> list[Rounded]:
    """Weights [out, in] fed by the same inputs, in groups of `group` inputs.

    `factor`: see `inverse_factor`. `keep`: masks of the weights that may differ from zero.
    """
    import torch

    sizes = [len(weight) for weight in weights]
    joined = torch.cat([weight.float() for weight in weights])
    rule = _Grid(factor, bits, group, joined.shape, torch.cat(keep).T if keep else None, symmetric)
    compensate(joined, factor, rule)
    parts = [part.T.split(sizes) for part in (rule.integers, rule.scales, rule.zeros.to(torch.int8))]
    return [
        Rounded(values.contiguous(), scales.contiguous(), None if symmetric else zeros.contiguous())
        for values, scales, zeros in zip(*parts, strict=True)
    ]


class _Grid:
    """Rounds columns to whole multiples of their group's scale and keeps both."""

    def __init__(
        self,
        factor: torch.Tensor,
        bits: int,
        group: int,
        shape: torch.Size,
        keep: torch.Tensor | None,
        symmetric: bool,
    ) -> None:
        import torch

        rows, width = shape
        self.every = group
        self._bits = bits
        self._symmetric = symmetric
        self._low, self._high = integer_range(bits)
        # What an error in a column costs once all later columns have taken it over.
        self._importance = factor.diagonal().square().reciprocal()
        self._keep = keep
        self.integers = torch.empty(width, rows, dtype=torch.int8, device=factor.device)
        self.scales = torch.empty(width // group, rows, dtype=torch.float32, device=factor.device)
        self.zeros = torch.empty_like(self.scales)

    def prepare(self, start: int, columns: torch.Tensor) -> None:
        importance = self._importance[start : start + len(columns)]
        self._scale, self._zero = group_scales(columns, importance, self._bits, self._symmetric)
        self.scales[start // self.every] = self._scale
        self.zeros[start // self.every] = self._zero

    def settle(self, column: int, values: torch.Tensor) -> torch.Tensor:
        whole = (values / self._scale).add_(self._zero).round_().clamp_(self._low, self._high)
        if self._keep is not None:
            whole = whole.sub_(self._zero).mul_(self._keep[column]).add_(self._zero)
        self.integers[column] = whole
        return whole.sub_(self._zero).mul_(self._scale)
