"""Tests of executors.activations.compensation against the plain algorithm it is a faster form of."""

from __future__ import annotations

import pytest
import torch

from executors.activations.compensation import compensate
from executors.activations.hessian import inverse_factor


class Rounding:
    """Rounds every column to whole numbers and remembers what it was shown."""

    def __init__(self, every: int = 64) -> None:
        self.every = every
        self.shown: dict[int, torch.Tensor] = {}

    def prepare(self, start: int, columns: torch.Tensor) -> None:
        self.shown[start] = columns.clone()

    def settle(self, column: int, values: torch.Tensor) -> torch.Tensor:
        return values.round()


def eliminate(
    weight: torch.Tensor, hessian: torch.Tensor, shown: list[int]
) -> tuple[torch.Tensor, dict[int, torch.Tensor]]:
    """One column after the other, its row and column eliminated from the inverse itself; 64 bits, no factor, no
    blocks. Also the weight as it stood before each column of `shown`."""
    weight = weight.double().clone()
    inverse = torch.linalg.inv(hessian.double())
    seen = {}
    for column in range(weight.shape[1]):
        if column in shown:
            seen[column] = weight.clone()
        settled = weight[:, column].round()
        error = (weight[:, column] - settled) / inverse[column, column]
        weight[:, column:] -= error[:, None] * inverse[column, column:]
        inverse -= torch.outer(inverse[:, column], inverse[column, :]) / inverse[column, column]
        weight[:, column] = settled
    return weight, seen


def problem(rows: int, width: int, mixing: float = 0.3) -> tuple[torch.Tensor, torch.Tensor]:
    """A weight and a Hessian of correlated inputs."""
    torch.manual_seed(1)
    inputs = torch.randn(4 * width, width) @ (torch.eye(width) + mixing * torch.randn(width, width) / width**0.5)
    return 3 * torch.randn(rows, width), 2 * inputs.T @ inputs


def test_two_correlated_pairs_by_hand() -> None:
    """With H = [[2, 1], [1, 2]] half of an error of 0.4 goes to the next column: 1.4, 0.4 -> 1, 0.6 -> 1, 1."""
    pair = torch.tensor([[2.0, 1.0], [1.0, 2.0]])
    factor, _ = inverse_factor(torch.block_diag(pair, pair), damping=0)
    weight = torch.tensor([[1.4, 0.4, 2.0, 0.2], [0.0, 0.4, -1.4, -0.4], [3.0, 3.0, 3.0, 3.0], [0.4, 0.4, 0.0, 0.6]])
    expected = torch.tensor([[1.0, 1, 2, 0], [0, 0, -1, -1], [3, 3, 3, 3], [0, 1, 0, 1]])
    assert torch.equal(compensate(weight, factor, Rounding(4)), expected)


@pytest.mark.parametrize("width", [20, 128, 200, 300])
def test_it_is_the_plain_elimination(width: int) -> None:
    """Blocks, panels and the triangular factor change nothing but the speed, also where blocks are not full."""
    weight, hessian = problem(12, width)
    factor, _ = inverse_factor(hessian.clone(), damping=0)
    expected, _ = eliminate(weight, hessian, [])
    assert torch.equal(compensate(weight, factor, Rounding()).double(), expected)


@pytest.mark.parametrize("every", [4, 32, 64, 128, 300])
def test_a_rule_is_shown_columns_that_know_of_every_earlier_error(every: int) -> None:
    """What `prepare` sees is the weight as the plain elimination has it at that column."""
    weight, hessian = problem(5, 300)
    factor, _ = inverse_factor(hessian.clone(), damping=0)
    rule = Rounding(every)
    compensate(weight, factor, rule)
    _, seen = eliminate(weight, hessian, list(range(0, 300, every)))
    assert list(rule.shown) == list(seen)
    for start, columns in rule.shown.items():
        expected = seen[start][:, start : start + every].T.float()
        torch.testing.assert_close(columns, expected, rtol=1e-3, atol=1e-3)


def test_it_lowers_the_error_of_the_output() -> None:
    """Rounded with compensation, the layer's output is nearer to the original than plainly rounded."""
    weight, hessian = problem(64, 96, mixing=2.0)
    factor, _ = inverse_factor(hessian.clone())

    def loss(candidate: torch.Tensor) -> float:
        change = candidate - weight
        return float(((change @ hessian) * change).sum())

    assert loss(compensate(weight, factor, Rounding())) < 0.8 * loss(weight.round())
