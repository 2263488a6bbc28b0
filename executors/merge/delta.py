"""What an adapter adds to a weight: plain tensor functions without input or output, all in 32 bits.

LoRA: Hu et al. 2021, arXiv 2106.09685, section 4.1: W + scale * B A. rsLoRA: Kalajdzievski 2023, arXiv 2312.03732:
scale = alpha / sqrt(rank). DoRA: Liu et al. 2024, arXiv 2402.09353, section 4: the rows of the sum scaled to learned
lengths. IA3: Liu et al. 2022, arXiv 2205.05638, section 3.3: rows, or columns, scaled by learned factors.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def lora_scale(alpha: float, rank: int, is_rank_stabilized: bool) -> float:
    """What B A is multiplied by."""
    return alpha / (sqrt(rank) if is_rank_stabilized else rank)


def lora_delta(a: torch.Tensor, b: torch.Tensor, scale: float) -> torch.Tensor:
    """a [rank, in], b [out, rank] to the update [out, in]."""
    return (b.float() @ a.float()) * scale


def add_lora(weight: torch.Tensor, delta: torch.Tensor) -> torch.Tensor:
    """weight [out, in] plus update, in 32 bits."""
    return weight.float() + delta


def add_dora(weight: torch.Tensor, delta: torch.Tensor, magnitude: torch.Tensor) -> torch.Tensor:
    """weight [out, in] plus update, every row scaled to the length in magnitude [out]."""
    import torch

    changed = weight.float() + delta
    lengths = torch.linalg.vector_norm(changed, dim=1, keepdim=True)
    return changed * (magnitude.float().reshape(-1, 1) / lengths)


def add_lengths(weight: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """weight [out, in] times lengths [out, 1] or [1, in]; a bias [out] times lengths [out, 1]."""
    factors = lengths.float()
    return weight.float() * (factors.reshape(-1) if weight.ndim == 1 else factors)
