"""A layer to round, for tests: weights, and the Hessian of inputs that depend on each other."""

from __future__ import annotations

import torch

from executors.quantize.rounded import Rounded


def problem(rows: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights [rows, width] and a Hessian [width, width]."""
    torch.manual_seed(5)
    inputs = torch.randn(4 * width, width) * (0.2 + torch.rand(width))
    inputs = inputs @ (torch.eye(width) + 2 * torch.randn(width, width) / width**0.5)
    return torch.randn(rows, width), 2 * inputs.T @ inputs


def losses(rounded: Rounded, weight: torch.Tensor, hessian: torch.Tensor) -> torch.Tensor:
    """The squared output error of each row."""
    change = rounded.dense() - weight
    return ((change @ hessian) * change).sum(dim=1)
