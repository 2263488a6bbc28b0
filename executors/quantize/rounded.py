"""A weight in few bits: whole numbers with the scales, and where the range is not symmetric the zeros, of their groups.

Plain tensor functions without input or output. Packing is left to the form that stores it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

FLOAT8_LARGEST = 448.0


@dataclass(frozen=True)
class Rounded:
    """`values` [out, in]: integers (int8) or 8-bit floats; `scales` [out, groups] in 32 bits, numbers of 16 bits.

    `zeros` [out, groups] (int8): the integer that stands for 0 in each group; None: 0 itself.
    """

    values: torch.Tensor
    scales: torch.Tensor
    zeros: torch.Tensor | None = None

    def dense(self) -> torch.Tensor:
        """The weight [out, in] that is stored, in 32 bits."""
        return dequantize(self.values, self.scales, self.zeros)

    def cpu(self) -> Rounded:
        zeros = None if self.zeros is None else self.zeros.cpu()
        return Rounded(self.values.cpu(), self.scales.cpu(), zeros)


def dequantize(values: torch.Tensor, scales: torch.Tensor, zeros: torch.Tensor | None = None) -> torch.Tensor:
    """Integers or 8-bit floats [out, in], less the zero of their group, times its scale [out, groups], in 32 bits."""
    wide = values.float().reshape(*scales.shape, -1)
    if zeros is not None:
        wide = wide - zeros.float().unsqueeze(-1)
    return (wide * scales.float().unsqueeze(-1)).reshape(values.shape)


def integer_range(bits: int) -> tuple[int, int]:
    """Smallest and largest signed integer of that many bits."""
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def to_float8(weight: torch.Tensor) -> Rounded:
    """Weight [out, in] as 8-bit floats (e4m3) and scales [out, 1], one per row, its largest magnitude at the end."""
    import torch

    scale = (weight.float().abs().amax(dim=1, keepdim=True) / FLOAT8_LARGEST).bfloat16().float()
    scale[scale == 0] = 1
    values = (weight.float() / scale).clamp_(-FLOAT8_LARGEST, FLOAT8_LARGEST)
    return Rounded(values.to(torch.float8_e4m3fn), scale)
