"""Rounding weights to few bits: scales, GPTQ, and 8-bit floats. Plain tensor functions without input or output.

GPTQ: Frantar et al. 2022, arXiv 2210.17323, section 3 and algorithm 1, symmetric, with the scales of a group found on
its columns after every earlier error has been taken over (section 4, grouping).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from executors.activations.compensation import compensate

if TYPE_CHECKING:
    import torch

CLIPS = tuple(1 - 0.05 * step for step in range(8))
"""Shares of the largest magnitude that are tried as the end of the range."""
FLOAT8_LARGEST = 448.0


def group_scales(columns: torch.Tensor, importance: torch.Tensor, bits: int) -> torch.Tensor:
    """One scale per row of a group's columns [columns, out]: [out], already rounded to bfloat16, as 32 bits.

    Of a few ranges the one with the least squared error, each column weighed by `importance` [columns].
    """
    import torch

    low, high = _range(bits)
    largest = columns.abs().amax(dim=0)
    best = torch.full_like(largest, float("inf"))
    scales = torch.ones_like(largest)
    for share in CLIPS:
        # Rounded first: the scale that is stored is the scale that integers are made with.
        scale = (largest * (share / high)).bfloat16().float()
        scale[scale == 0] = 1
        error = (columns / scale).round_().clamp_(low, high).mul_(scale).sub_(columns).square_()
        error = importance @ error
        is_better = error < best
        best, scales = torch.where(is_better, error, best), torch.where(is_better, scale, scales)
    return scales


def gptq(
    weights: list[torch.Tensor], factor: torch.Tensor, bits: int, group: int, keep: list[torch.Tensor] | None = None
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Weights [out, in] fed by the same inputs as pairs of integers [out, in] (int8) and scales [out, in / group].

    `factor`: see `inverse_factor`. `keep`: masks of the weights that may differ from zero.
    """
    import torch

    sizes = [len(weight) for weight in weights]
    joined = torch.cat([weight.float() for weight in weights])
    rule = _Grid(factor, bits, group, joined.shape, torch.cat(keep).T if keep else None)
    compensate(joined, factor, rule)
    integers, scales = rule.integers.T.split(sizes), rule.scales.T.split(sizes)
    return [(one.contiguous(), two.contiguous()) for one, two in zip(integers, scales, strict=True)]


def dequantize(integers: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """Integers or 8-bit floats [out, in] times the scale [out, groups] of their group, in 32 bits."""
    return integers.float() * scales.float().repeat_interleave(integers.shape[1] // scales.shape[1], dim=1)


def to_float8(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight [out, in] as 8-bit floats (e4m3) and scales [out, 1], one per row, its largest magnitude at the end."""
    import torch

    scale = (weight.float().abs().amax(dim=1, keepdim=True) / FLOAT8_LARGEST).bfloat16().float()
    scale[scale == 0] = 1
    values = (weight.float() / scale).clamp_(-FLOAT8_LARGEST, FLOAT8_LARGEST)
    return values.to(torch.float8_e4m3fn), scale


class _Grid:
    """Rounds columns to whole multiples of their group's scale and keeps both."""

    def __init__(
        self, factor: torch.Tensor, bits: int, group: int, shape: torch.Size, keep: torch.Tensor | None
    ) -> None:
        import torch

        rows, width = shape
        self.every = group
        self._bits = bits
        self._low, self._high = _range(bits)
        # What an error in a column costs once all later columns have taken it over.
        self._importance = factor.diagonal().square().reciprocal()
        self._keep = keep
        self.integers = torch.empty(width, rows, dtype=torch.int8, device=factor.device)
        self.scales = torch.empty(width // group, rows, dtype=torch.float32, device=factor.device)

    def prepare(self, start: int, columns: torch.Tensor) -> None:
        self._scale = group_scales(columns, self._importance[start : start + len(columns)], self._bits)
        self.scales[start // self.every] = self._scale

    def settle(self, column: int, values: torch.Tensor) -> torch.Tensor:
        whole = (values / self._scale).round_().clamp_(self._low, self._high)
        if self._keep is not None:
            whole.mul_(self._keep[column])
        self.integers[column] = whole
        return whole.mul_(self._scale)


def _range(bits: int) -> tuple[int, int]:
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
