"""Tests of executors.prune.sparsegpt: by hand on 4x4, and against the plain algorithm."""

from __future__ import annotations

import pytest
import torch

from executors.activations.hessian import inverse_factor
from executors.prune.sparsegpt import sparsegpt

PAIR = torch.tensor([[2.0, 1.0], [1.0, 2.0]])


def _problem(rows: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(2)
    inputs = torch.randn(4 * width, width) * (0.2 + torch.rand(width))
    inputs = inputs @ (torch.eye(width) + 0.4 * torch.randn(width, width) / width**0.5)
    return torch.randn(rows, width), 2 * inputs.T @ inputs


def _plain(weight: torch.Tensor, hessian: torch.Tensor, pattern: str, sparsity: float) -> torch.Tensor:
    """Algorithm 1 of the paper column by column on the inverse itself, in 64 bits; masks of 128 or 4 columns."""
    weight, inverse = weight.double().clone(), torch.linalg.inv(hessian.double())
    upper = torch.linalg.cholesky(inverse, upper=True).diagonal().square()
    keep = torch.ones_like(weight)
    dropped = 0
    for column in range(weight.shape[1]):
        if pattern == "2:4" and column % 4 == 0:
            costs = weight[:, column : column + 4] ** 2 / upper[column : column + 4]
            keep[:, column : column + 4].scatter_(1, costs.argsort(dim=1)[:, :2], 0)
        if pattern != "2:4" and column % 128 == 0:
            part = weight[:, column : column + 128]
            drop = round(len(weight) * min(column + 128, weight.shape[1]) * sparsity) - dropped
            chosen = torch.ones(part.numel(), dtype=torch.float64)
            chosen[(part**2 / upper[column : column + 128]).flatten().argsort()[:drop]] = 0
            keep[:, column : column + 128] = chosen.reshape(part.shape)
            dropped += drop
        settled = weight[:, column] * keep[:, column]
        error = (weight[:, column] - settled) / inverse[column, column]
        weight[:, column:] -= error[:, None] * inverse[column, column:]
        inverse -= torch.outer(inverse[:, column], inverse[column, :]) / inverse[column, column]
        weight[:, column] = settled
    return weight


def test_unstructured_on_four_by_four_by_hand() -> None:
    """Half goes, the cheapest of the layer first; a dropped 1 adds half of itself to its correlated neighbour.

    H^-1 has 2/3 on its diagonal, but the second of a pair is free alone, where the cost is that of 1/2: costs are
    1.5 w^2 for the first and 2 w^2 for the second.
    """
    factor, _ = inverse_factor(torch.block_diag(PAIR, PAIR), damping=0)
    weight = torch.tensor([[1.0, 6, 5, 1], [7, 8, 1, 1], [1, 9, 1, 9], [8, 1, 1, 9]])
    (pruned,) = sparsegpt([weight], factor, 0.5, "unstructured")
    expected = torch.tensor([[0.0, 6.5, 5, 0], [7, 8, 0, 0], [0, 9.5, 0, 9.5], [8, 0, 0, 9.5]])
    torch.testing.assert_close(pruned, expected)


def test_two_of_four_on_four_by_four_by_hand() -> None:
    """In every row two of the four go, and neighbours make up for them."""
    factor, _ = inverse_factor(torch.block_diag(PAIR, PAIR), damping=0)
    weight = torch.tensor([[1.0, 6, 5, 1], [7, 8, 1, 1], [1, 9, 1, 9], [8, 1, 1, 9]])
    (pruned,) = sparsegpt([weight], factor, 0.5, "2:4")
    expected = torch.tensor([[0.0, 6.5, 5, 0], [7, 8, 0, 0], [0, 9.5, 0, 9.5], [8, 0, 0, 9.5]])
    torch.testing.assert_close(pruned, expected)


@pytest.mark.parametrize(("pattern", "sparsity"), [("unstructured", 0.3), ("unstructured", 0.6), ("2:4", 0.5)])
@pytest.mark.parametrize("width", [64, 200])
def test_it_is_the_plain_algorithm(pattern: str, sparsity: float, width: int) -> None:
    """Blocks, panels and the triangular factor change neither the mask nor the weights that stay."""
    weight, hessian = _problem(24, width)
    factor, _ = inverse_factor(hessian.clone(), damping=0)
    (pruned,) = sparsegpt([weight], factor, sparsity, pattern)
    expected = _plain(weight, hessian, pattern, sparsity).float()
    assert torch.equal(pruned == 0, expected == 0)
    torch.testing.assert_close(pruned, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("sparsity", [0.1, 0.333, 0.5, 0.9])
def test_each_layer_of_a_group_loses_its_exact_share(sparsity: float) -> None:
    """Layers pruned together are judged apart: neither pays for the other, and a group changes no result."""
    weight, hessian = _problem(30, 300)
    factor, _ = inverse_factor(hessian)
    small, large = weight[:7] / 100, weight[7:]
    pruned = sparsegpt([small, large], factor, sparsity, "unstructured")
    for found, given in zip(pruned, (small, large), strict=True):
        assert int((found == 0).sum()) == round(given.numel() * sparsity)
        torch.testing.assert_close(found, sparsegpt([given], factor, sparsity, "unstructured")[0])


@pytest.mark.parametrize("pattern", ["unstructured", "2:4"])
def test_it_beats_the_same_mask_without_compensation(pattern: str) -> None:
    """What stays makes up for what went: the output error is clearly below that of zeros alone."""
    weight, hessian = _problem(48, 160)
    factor, _ = inverse_factor(hessian.clone())
    (pruned,) = sparsegpt([weight], factor, 0.5, pattern)

    def loss(candidate: torch.Tensor) -> float:
        change = candidate - weight
        return float(((change @ hessian) * change).sum())

    assert loss(pruned) < 0.9 * loss(weight * (pruned != 0))
