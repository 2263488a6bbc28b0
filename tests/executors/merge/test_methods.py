"""Tests of executors.merge.methods, on matrices small enough to check by hand."""

from __future__ import annotations

from math import sqrt

import pytest
import torch

from executors.merge.methods import Mix, dare_linear, dare_ties, dropped, linear, slerp, ties, trimmed

BASE = torch.full((4, 4), 10.0)
FIRST = BASE + torch.tensor([[4.0, 1, 0, 0], [-3, 0, 0, 1], [2, 2, 0, 0], [0, 0, 5, -6]])
SECOND = BASE + torch.tensor([[2.0, -3, 0, 0], [5, 0, 0, 1], [-2, 4, 0, 0], [0, 0, 1, -2]])


def test_linear_is_the_weighted_mean() -> None:
    """Weights 3 and 1 give three quarters of the first, whatever their sum."""
    expected = 0.75 * FIRST + 0.25 * SECOND
    torch.testing.assert_close(linear(None, [FIRST, SECOND], Mix((3.0, 1.0))), expected)


def test_slerp_goes_along_the_arc() -> None:
    """Halfway between two unit axes lies (1, 1)/sqrt 2; at the ends lie the models themselves."""
    a, b = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    torch.testing.assert_close(slerp(None, [a, b], Mix((), at=0.5)), torch.tensor([1.0, 1.0]) / sqrt(2))
    torch.testing.assert_close(slerp(None, [a, b], Mix((), at=0.0)), a)
    torch.testing.assert_close(slerp(None, [a, b], Mix((), at=1.0)), b)


@pytest.mark.parametrize("second", [torch.tensor([2.0, 0.0]), torch.tensor([0.0, 0.0]), torch.tensor([1.0, 1e-4])])
def test_slerp_of_parallel_models_is_a_straight_line(second: torch.Tensor) -> None:
    """Parallel, nearly parallel and zero tensors are mixed linearly, without dividing by zero."""
    first = torch.tensor([1.0, 0.0])
    torch.testing.assert_close(slerp(None, [first, second], Mix((), at=0.25)), 0.75 * first + 0.25 * second)


def test_trimming_keeps_the_largest_entries() -> None:
    """A quarter of sixteen entries is four: 4, 5 and -6 and -3, the rest is zero."""
    kept = trimmed(FIRST - BASE, 0.25)
    assert sorted(kept[kept != 0].tolist()) == [-6.0, -3.0, 4.0, 5.0]


def test_ties_averages_only_what_agrees() -> None:
    """Untrimmed, entry by entry: agreeing ones are averaged, of opposite ones the heavier side alone is taken."""
    merged = ties(BASE, [FIRST, SECOND], Mix((1.0, 1.0), density=1.0)) - BASE
    expected = torch.tensor([[3.0, -3, 0, 0], [5, 0, 0, 1], [2, 3, 0, 0], [0, 0, 3, -4]])
    torch.testing.assert_close(merged, expected)


def test_ties_trims_before_it_elects() -> None:
    """With four entries kept (of the equal 2, -2, -2 in the second the last), one model alone decides most places."""
    merged = ties(BASE, [FIRST, SECOND], Mix((1.0, 1.0), density=0.25)) - BASE
    expected = torch.tensor([[4.0, -3, 0, 0], [5, 0, 0, 0], [0, 4, 0, 0], [0, 0, 5, -4]])
    torch.testing.assert_close(merged, expected)


def test_weights_move_the_election() -> None:
    """A model weighed three times wins the sign against a larger entry of the other."""
    merged = ties(BASE, [FIRST, SECOND], Mix((3.0, 1.0), density=1.0)) - BASE
    assert merged[1, 0] == -3.0
    assert merged[0, 0] == pytest.approx((3 * 4 + 2) / 4)


def test_dare_keeps_the_expected_entry() -> None:
    """Dropped at random and scaled up, the mean over many draws is the task vector, and each entry is 0 or twice."""
    delta = FIRST - BASE
    generator = torch.Generator().manual_seed(0)
    draws = torch.stack([dropped(delta, Mix((), density=0.5, generator=generator)) for _ in range(4000)])
    assert set((draws[:, 0, 0] / delta[0, 0]).tolist()) == {0.0, 2.0}
    torch.testing.assert_close(draws.mean(dim=0), delta, atol=0.35, rtol=0)


def test_dare_of_full_density_is_task_arithmetic() -> None:
    """With nothing dropped, the linear form adds the weighed differences and the TIES form those that agree."""
    mix = Mix((1.0, 0.5), density=1.0)
    torch.testing.assert_close(dare_linear(BASE, [FIRST, SECOND], mix), BASE + (FIRST - BASE) + 0.5 * (SECOND - BASE))
    assert (dare_ties(BASE, [FIRST, SECOND], mix) - BASE)[0, 1] == -1.5
    assert (dare_ties(BASE, [FIRST, SECOND], mix) - BASE)[3, 3] == -7.0
