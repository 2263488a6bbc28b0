"""GPTQ: rounding weights column by column while the columns still free take over the error.

Frantar et al. 2022, arXiv 2210.17323, section 3 and algorithm 1. Columns go in the order of the Hessian's diagonal, the
most important first, while there are many left to take over their errors (the order that the authors' code calls
act-order); groups stay neighbours, and their scales are found beforehand on the weights as they were, so that a loader
needs no index of groups; `refit` fits them to the integers in the end. Plain tensor functions without input or output.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from executors.activations.compensation import compensate
from executors.activations.hessian import DAMPING, inverse_factor
from executors.quantize.rounded import Rounded, integer_range

if TYPE_CHECKING:
    import torch

CLIPS = tuple(1 - 0.05 * step for step in range(8))
"""Shares of the range that are tried as its end."""


@dataclass(frozen=True)
class Curvature:
    """What the inputs of a layer say of its columns, of the Hessian H [in, in] of its output error.

    `importance` [in]: the diagonal of H. `order` [in]: the columns, the most important first. `factor` [in, in]: of the
    inverse of H in that order, see `inverse_factor`.
    """

    importance: torch.Tensor
    order: torch.Tensor
    factor: torch.Tensor

    @staticmethod
    def of(hessian: torch.Tensor, damping: float = DAMPING) -> Curvature:
        """Of a Hessian, which stays as it is. Raises AdvisorError when it cannot be inverted."""
        importance = hessian.diagonal().clone()
        order = importance.argsort(descending=True, stable=True)
        factor, _ = inverse_factor(hessian[order][:, order], damping)
        return Curvature(importance, order, factor)

    @property
    def dead(self) -> torch.Tensor:
        """Which inputs [in] were never active."""
        return self.importance == 0


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
    curvature: Curvature,
    bits: int,
    group: int,
    keep: list[torch.Tensor] | None = None,
    symmetric: bool = True,
) -> list[Rounded]:
    """Weights [out, in] fed by the same inputs, in groups of `group` inputs.

    `keep`: masks of the weights that may differ from zero.
    """
    import torch

    sizes = [len(weight) for weight in weights]
    joined = torch.cat([weight.float() for weight in weights])
    rule = _Grid(joined.T, curvature, bits, group, torch.cat(keep).T if keep else None, symmetric)
    compensate(joined[:, curvature.order], curvature.factor, rule)
    parts = [part.T.split(sizes) for part in (rule.integers, rule.scales, rule.zeros.to(torch.int8))]
    return [
        Rounded(values.contiguous(), scales.contiguous(), None if symmetric else zeros.contiguous())
        for values, scales, zeros in zip(*parts, strict=True)
    ]


class _Grid:
    """Rounds columns to whole multiples of their group's scale and keeps both, in the weight's own order."""

    def __init__(
        self,
        columns: torch.Tensor,
        curvature: Curvature,
        bits: int,
        group: int,
        keep: torch.Tensor | None,
        symmetric: bool,
    ) -> None:
        import torch

        self.every = len(columns)
        self._low, self._high = integer_range(bits)
        self._keep = keep
        self._order: list[int] = curvature.order.tolist()
        self._group = group
        self.integers = torch.empty(columns.shape, dtype=torch.int8, device=columns.device)
        parts = zip(columns.split(group), curvature.importance.split(group), strict=True)
        found = [group_scales(part, importance, bits, symmetric) for part, importance in parts]
        self.scales, self.zeros = (torch.stack(one) for one in zip(*found, strict=True))

    def prepare(self, start: int, columns: torch.Tensor) -> None:
        """Nothing: scales do not follow the errors."""

    def settle(self, column: int, values: torch.Tensor) -> torch.Tensor:
        own = self._order[column]
        scale, zero = self.scales[own // self._group], self.zeros[own // self._group]
        whole = (values / scale).add_(zero).round_().clamp_(self._low, self._high)
        if self._keep is not None:
            whole = whole.sub_(zero).mul_(self._keep[own]).add_(zero)
        self.integers[own] = whole
        return whole.sub_(zero).mul_(scale)
