"""What heads, neurons and layers are worth, and how the rest is fitted. Plain tensor functions, no input or output.

Neurons and heads: the weights that read them times the size of what they hold (the measure of Wanda, Sun et al. 2023,
summed over a structure as in An et al. 2023, FLAP, arXiv 2312.11983, section 3). Layers: block influence, one minus the
cosine between a block's input and output (Men et al. 2024, ShortGPT, arXiv 2403.03853, section 3.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

DAMPING = 0.01
"""Share of the mean diagonal added before the least squares are solved."""


def feature_energies(weight: torch.Tensor, squares: torch.Tensor) -> torch.Tensor:
    """What each input feature adds to the layer's output: weight [out, in], sums of squared inputs [in] to [in]."""
    return weight.float().square().sum(0) * squares


def group_energies(energies: torch.Tensor, groups: int) -> torch.Tensor:
    """Energies of features [in] summed over `groups` equal runs of neighbours: [groups]."""
    return energies.reshape(groups, -1).sum(1)


def best(scores: torch.Tensor, count: int) -> torch.Tensor:
    """Numbers of the `count` highest scores, ascending; of equal ones the earlier."""
    order = scores.sort(descending=True, stable=True).indices[:count]
    return order.sort().values


def spread(numbers: torch.Tensor, size: int) -> torch.Tensor:
    """Numbers of groups to numbers of their features, each group `size` neighbours wide."""
    import torch

    return (numbers[:, None] * size + torch.arange(size, device=numbers.device)).flatten()


def refit(weight: torch.Tensor, products: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """Weights [out, kept] on the kept inputs whose output comes nearest to that of weight [out, in] on all.

    `products`: X^T X of the inputs [in, in], in 32 bits; any multiple of it serves. Least squares with damping.
    """
    import torch

    inside = products[kept][:, kept]
    ridge = DAMPING * inside.diagonal().mean().clamp_min(1e-12)
    inside.diagonal().add_(ridge)
    wide = weight.float()
    # The kept weights plus what the dropped ones can be said by the kept inputs.
    dropped = torch.ones(weight.shape[1], dtype=torch.bool, device=weight.device)
    dropped[kept] = False
    target = products[kept][:, dropped] @ wide[:, dropped].T
    return wide[:, kept] + torch.linalg.solve(inside, target).T


def influence(before: torch.Tensor, after: torch.Tensor) -> float:
    """1 - mean cosine between hidden states [..., width] before and after a block."""
    from torch.nn.functional import cosine_similarity

    total, rows = 0.0, 0
    for a, b in zip(before.flatten(0, -2).split(4096), after.flatten(0, -2).split(4096), strict=True):
        total += float(cosine_similarity(a.float(), b.float(), dim=-1).sum())
        rows += len(a)
    return 1 - total / rows
