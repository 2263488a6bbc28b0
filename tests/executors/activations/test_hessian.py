"""Tests of executors.activations.hessian."""

from __future__ import annotations

import pytest
import torch

from advisor.domain.errors import AdvisorError
from executors.activations.hessian import input_hessian, inverse_factor

INPUTS = torch.tensor([[1.0, 0, 2, 0], [0, 1, 1, 0], [3, 0, 0, 0]])


def test_the_hessian_of_three_tokens_by_hand() -> None:
    """Twice the sum of products of features over the tokens, in batches and in 16 bits too."""
    expected = torch.tensor([[20.0, 0, 4, 0], [0, 2, 2, 0], [4, 2, 10, 0], [0, 0, 0, 0]])
    assert torch.equal(input_hessian(INPUTS), expected)
    assert torch.equal(input_hessian(INPUTS.reshape(3, 1, 4).bfloat16()), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_wide_and_long_inputs_are_summed_exactly(dtype: torch.dtype) -> None:
    """Across tiles and chunks the result is symmetric and that of 64-bit arithmetic to 32 bits."""
    torch.manual_seed(0)
    inputs = torch.randn(2, 2100, 600).to(dtype)
    rows = inputs.reshape(-1, 600).double()
    found = input_hessian(inputs)
    assert torch.equal(found, found.T)
    torch.testing.assert_close(found.double(), 2 * rows.T @ rows, rtol=1e-5, atol=1e-2)


def test_the_factor_of_two_correlated_pairs_by_hand() -> None:
    """H of blocks [[2, 1], [1, 2]] has the inverse [[2, -1], [-1, 2]] / 3, and U^T U gives it with U upper."""
    pair = torch.tensor([[2.0, 1.0], [1.0, 2.0]])
    factor, dead = inverse_factor(torch.block_diag(pair, pair), damping=0)
    inverse = torch.tensor([[2.0, -1.0], [-1.0, 2.0]]) / 3
    torch.testing.assert_close(factor.T @ factor, torch.block_diag(inverse, inverse))
    assert torch.equal(factor, factor.triu())
    assert not dead.any()


def test_damping_is_a_share_of_the_mean_diagonal() -> None:
    """Diagonals 1, 3 with half of their mean 2 added become 2, 4."""
    factor, _ = inverse_factor(torch.diag(torch.tensor([1.0, 3.0])), damping=0.5)
    torch.testing.assert_close(factor.diagonal().square(), torch.tensor([0.5, 0.25]))


def test_features_that_are_never_active_are_named() -> None:
    """A zero on the diagonal neither fails nor couples to anything."""
    factor, dead = inverse_factor(torch.diag(torch.tensor([4.0, 0.0, 4.0])), damping=0.01)
    assert dead.tolist() == [False, True, False]
    assert torch.isfinite(factor).all()


def test_what_is_hardly_definite_gets_more_damping_and_nonsense_is_refused() -> None:
    """A slightly negative direction is damped away; a strongly negative one ends with a sentence."""
    bent = torch.tensor([[1.0, 1.02], [1.02, 1.0]])
    factor, _ = inverse_factor(bent.clone())
    assert torch.isfinite(factor).all()
    with pytest.raises(AdvisorError, match="cannot be inverted"):
        inverse_factor(torch.tensor([[1.0, 90.0], [90.0, 1.0]]))
