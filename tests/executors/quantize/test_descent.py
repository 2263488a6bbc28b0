"""Tests of executors.quantize.descent: by hand on 4x4, and that the error never rises."""

from __future__ import annotations

import pytest
import torch

from executors.quantize.descent import descend
from executors.quantize.rounded import Rounded
from executors.quantize.rounding import Curvature, gptq
from tests.executors.quantize.layers import losses, problem


def test_four_by_four_by_hand() -> None:
    """Of two inputs that are nearly the same, one takes over what the other lost, and stays within the range."""
    pair = torch.tensor([[1.0, 0.9], [0.9, 1.0]])
    hessian = torch.block_diag(pair, pair)
    weight = torch.tensor([[1.4, 1.4, 0.0, 0.0], [0.0, 0.0, 1.4, 1.4], [3.4, 3.4, 0.0, 0.0], [1.0, 2.0, 3.0, -4.0]])
    values = torch.tensor([[1, 1, 0, 0], [0, 0, 1, 1], [3, 3, 0, 0], [1, 2, 3, -4]], dtype=torch.int8)
    found = descend(Rounded(values, torch.ones(4, 1)), weight, hessian, bits=3)
    # The first column misses 0.4 + 0.9 x 0.4 = 0.76 and goes up by one; in the third row 3 is the largest.
    assert found.values.tolist() == [[2, 1, 0, 0], [0, 0, 2, 1], [3, 3, 0, 0], [1, 2, 3, -4]]


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("bits", [3, 4])
def test_the_error_never_rises(bits: int, symmetric: bool) -> None:
    """In every row; over all it falls clearly, and a second sweep goes on from there."""
    weight, hessian = problem(100, 160)
    (chosen,) = gptq([weight], Curvature.of(hessian), bits, 32, None, symmetric)
    # Damping is part of what is minimised.
    full = hessian + 0.01 * hessian.diagonal().mean() * torch.eye(160)
    first = descend(chosen, weight, hessian, bits)
    second = descend(first, weight, hessian, bits)
    errors = [losses(one, weight, full) for one in (chosen, first, second)]
    assert bool((errors[1] <= errors[0] * 1.0001).all()) and bool((errors[2] <= errors[1] * 1.0001).all())
    assert float(errors[1].sum()) < 0.95 * float(errors[0].sum())
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    assert int(first.values.min()) >= low and int(first.values.max()) <= high


@pytest.mark.parametrize("symmetric", [True, False])
def test_what_shall_stay_zero_stays_zero(symmetric: bool) -> None:
    """Masked weights are zero to the bit, also where the range has a zero of its own."""
    weight, hessian = problem(30, 128)
    keep = torch.rand(30, 128) > 0.5
    (chosen,) = gptq([weight * keep], Curvature.of(hessian), 3, 32, [keep], symmetric)
    found = descend(chosen, weight * keep, hessian, 3, keep)
    assert bool((found.dense()[~keep] == 0).all()) and not torch.equal(found.values, chosen.values)


def test_inputs_that_were_never_active_change_nothing() -> None:
    """Not even when there are no others."""
    values = torch.tensor([[1, 0], [0, -1]], dtype=torch.int8)
    given = Rounded(values, torch.ones(2, 1))
    assert torch.equal(descend(given, given.dense(), torch.zeros(2, 2), 3).values, values)
