"""The linear algebra of edits, on small matrices."""

from __future__ import annotations

import pytest


def test_rome_maps_the_key_to_the_value() -> None:
    """After the rank-one update the key gives its old value plus the residual; a key that is orthogonal to it under
    the covariance is left alone."""
    import torch

    from executors.edit.solve import rome_update

    torch.manual_seed(0)
    weight, key, residual = torch.randn(4, 6), torch.randn(6), torch.randn(4)
    spread = torch.randn(6, 6)
    covariance = spread @ spread.T + torch.eye(6)
    change = rome_update(key, residual, covariance)
    assert torch.allclose((weight + change.float()) @ key, weight @ key + residual, atol=1e-5)
    assert torch.linalg.matrix_rank(change) == 1
    direction = torch.linalg.solve(covariance, key)
    other = torch.randn(6)
    other -= (other @ direction) / (direction @ direction) * direction
    assert torch.allclose(change.float() @ other, torch.zeros(4), atol=1e-5)


@pytest.mark.parametrize("facts", [1, 3])
def test_memit_is_the_least_squares_change(facts: int) -> None:
    """The update minimises the error at the facts plus the weighted change at the keys of ordinary text."""
    import torch

    from executors.edit.solve import memit_update

    torch.manual_seed(0)
    keys, residuals = torch.randn(6, facts).double(), torch.randn(4, facts).double()
    text = torch.randn(6, 200).double()
    covariance = text @ text.T / 200
    found = memit_update(keys, residuals, covariance, 0.5)

    def cost(change: torch.Tensor) -> torch.Tensor:
        return ((change @ keys - residuals) ** 2).sum() + 0.5 * torch.trace(change @ covariance @ change.T)

    best = cost(found)
    for _ in range(20):
        assert cost(found + 0.01 * torch.randn_like(found)) > best
    small = memit_update(keys, residuals, covariance, 1e-9)
    assert torch.allclose(small @ keys, residuals, atol=1e-4)


def test_damping_makes_a_singular_covariance_solvable() -> None:
    """Directions that the text never showed get a little weight."""
    import torch

    from executors.edit.solve import damped

    covariance = torch.zeros(3, 3)
    covariance[0, 0] = 3.0
    assert torch.linalg.matrix_rank(damped(covariance)) == 3
    assert damped(covariance)[1, 1] == pytest.approx(0.01)
