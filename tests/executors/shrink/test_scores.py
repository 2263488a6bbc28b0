"""Tests of what structures are worth, on matrices small enough to check by hand."""

from __future__ import annotations

import torch

from executors.shrink.scores import best, feature_energies, group_energies, influence, refit, spread

WEIGHT = torch.tensor([[1.0, 0.0, 2.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 3.0]])


def test_a_neuron_is_worth_its_weights_times_its_activations() -> None:
    """The columns of a 4x4 matrix have squared lengths 1, 1, 5, 9; silent inputs make the last worth nothing."""
    energies = feature_energies(WEIGHT, torch.tensor([4.0, 1.0, 1.0, 0.0]))
    assert energies.tolist() == [4.0, 1.0, 5.0, 0.0]
    assert best(energies, 2).tolist() == [0, 2]


def test_a_group_is_worth_the_sum_of_its_features() -> None:
    """Two groups of two neighbouring features."""
    assert group_energies(torch.tensor([4.0, 1.0, 5.0, 0.5]), 2).tolist() == [5.0, 5.5]
    assert spread(torch.tensor([0, 2]), 3).tolist() == [0, 1, 2, 6, 7, 8]


def test_of_equal_scores_the_earlier_stays() -> None:
    """The choice is the same on every machine."""
    assert best(torch.ones(4), 2).tolist() == [0, 1]


def test_refit_takes_over_what_a_kept_input_can_say() -> None:
    """Input 3 is always twice input 0: its weights go to input 0, and the output hardly changes."""
    inputs = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
    inputs[:, 3] = 2 * inputs[:, 0]
    kept = torch.tensor([0, 1, 2])
    fitted = refit(WEIGHT, inputs.T @ inputs, kept)
    wanted = inputs @ WEIGHT.T
    error = (inputs[:, kept] @ fitted.T - wanted).square().mean()
    assert error < 1e-2 * (inputs[:, kept] @ WEIGHT[:, kept].T - wanted).square().mean()
    torch.testing.assert_close(fitted[3], torch.tensor([6.0, 0.0, 0.0]), atol=0.15, rtol=0)


def test_refit_with_nothing_dropped_is_the_weight() -> None:
    """All inputs kept: nothing to take over."""
    assert torch.equal(refit(WEIGHT, torch.eye(4), torch.arange(4)), WEIGHT)


def test_influence_is_one_minus_the_cosine() -> None:
    """A block that changes nothing has none; one that turns its input by a right angle has 1."""
    states = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])
    assert influence(states, 3 * states) < 1e-6
    assert abs(influence(states, states.flip(-1)) - 1) < 1e-6
