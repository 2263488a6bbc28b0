"""Tests of executors.merge.methods, on matrices small enough to check by hand."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
import pytest

from executors.merge.methods import METHODS, Drop, Mix
from executors.merge.trim import find_trim, kept_norm
from executors.merge.vectors import Held

BASE = np.full((4, 4), 10.0, np.float32)
FIRST = BASE + np.array([[4.0, 1, 0, 0], [-3, 0, 0, 1], [2, 2, 0, 0], [0, 0, 5, -6]], np.float32)
SECOND = BASE + np.array([[2.0, -3, 0, 0], [5, 0, 0, 1], [-2, 4, 0, 0], [0, 0, 1, -2]], np.float32)


def merged(method: str, base: Any, models: list[Any], mix: Mix, part: int = 5) -> Any:
    """The method's result in the shape of its models; parts of five entries, so that each tensor has several."""
    found = list(METHODS[method](Held(models, base, part), mix))
    assert [s.start for s, _ in found] == list(range(0, models[0].size, part))
    return np.concatenate([values for _, values in found]).reshape(models[0].shape)


def test_linear_is_the_weighted_mean() -> None:
    """Weights 3 and 1 give three quarters of the first, whatever their sum."""
    expected = 0.75 * FIRST + 0.25 * SECOND
    np.testing.assert_allclose(merged("linear", None, [FIRST, SECOND], Mix((3.0, 1.0))), expected)


def test_linear_on_task_vectors_is_task_arithmetic() -> None:
    """The base plus the scaled sum of the weighed differences."""
    mix = Mix((1.0, 0.5), is_normalized=False, scale=0.5)
    expected = BASE + 0.5 * ((FIRST - BASE) + 0.5 * (SECOND - BASE))
    np.testing.assert_allclose(merged("task-arithmetic", BASE, [FIRST, SECOND], mix), expected)


def test_slerp_goes_along_the_arc() -> None:
    """Halfway between two unit axes lies (1, 1)/sqrt 2; at the ends lie the models themselves."""
    a, b = np.array([1.0, 0.0], np.float32), np.array([0.0, 1.0], np.float32)
    np.testing.assert_allclose(merged("slerp", None, [a, b], Mix((), at=0.5)), [1 / sqrt(2)] * 2, rtol=1e-6)
    np.testing.assert_allclose(merged("slerp", None, [a, b], Mix((), at=0.0)), a, atol=1e-7)
    np.testing.assert_allclose(merged("slerp", None, [a, b], Mix((), at=1.0)), b, atol=1e-7)


def test_slerp_of_task_vectors_turns_the_changes() -> None:
    """With a base the arc lies between the changes, and the base stays where it is."""
    base, a, b = (np.array(v, np.float32) for v in ([5.0, 5.0], [6.0, 5.0], [5.0, 6.0]))
    np.testing.assert_allclose(merged("slerp", base, [a, b], Mix((), at=0.5)), [5 + 1 / sqrt(2)] * 2, rtol=1e-6)


@pytest.mark.parametrize("second", [[2.0, 0.0], [0.0, 0.0], [1.0, 1e-4]])
def test_slerp_of_parallel_models_is_a_straight_line(second: list[float]) -> None:
    """Parallel, nearly parallel and zero tensors are mixed linearly, without dividing by zero."""
    first, other = np.array([1.0, 0.0], np.float32), np.array(second, np.float32)
    expected = 0.75 * first + 0.25 * other
    np.testing.assert_allclose(merged("slerp", None, [first, other], Mix((), at=0.25)), expected, rtol=1e-6)


def test_trimming_keeps_the_largest_entries() -> None:
    """A quarter of sixteen entries is four: 4, 5 and -6 and -3, the rest is zero; the norm factor restores 24 of 18."""
    held = Held([FIRST], BASE, 5)
    trim = find_trim(held, 0, 0.25)
    kept = np.concatenate([trim.cut(held.values(part)[0]) for part in held.parts()])
    assert sorted(kept[kept != 0].tolist()) == [-6.0, -3.0, 4.0, 5.0]
    assert kept_norm(held, 0, find_trim(held, 0, 0.25)) == pytest.approx(24 / 18)


@pytest.mark.parametrize("density", [0.001, 0.1, 0.5, 0.9, 1.0])
def test_trimming_is_exact_on_many_equal_entries(density: float) -> None:
    """However many entries are equal, exactly the share is kept, and no dropped one is larger than a kept one."""
    values = np.random.default_rng(0).integers(-6, 7, 10_000).astype(np.float32) / 64
    held = Held([values], None, 999)
    trim = find_trim(held, 0, density)
    parts = [(held.values(part)[0], trim) for part in held.parts()]
    kept = np.concatenate([t.cut(v) for v, t in parts])
    mask = kept != 0
    zeros_kept = max(0, max(1, int(10_000 * density)) - int(mask.sum()))
    assert zeros_kept == 0 or np.abs(values[mask]).min() > 0
    assert int(mask.sum()) == min(max(1, int(10_000 * density)), int((values != 0).sum()))
    if zeros_kept == 0:
        assert np.abs(values[~mask]).max() <= np.abs(values[mask]).min()


def test_ties_averages_only_what_agrees() -> None:
    """Untrimmed, entry by entry: agreeing ones are averaged, of opposite ones the heavier side alone is taken."""
    expected = np.array([[3.0, -3, 0, 0], [5, 0, 0, 1], [2, 3, 0, 0], [0, 0, 3, -4]])
    np.testing.assert_allclose(merged("ties", BASE, [FIRST, SECOND], Mix((1.0, 1.0))) - BASE, expected)


def test_ties_trims_before_it_elects() -> None:
    """With four entries kept (of the equal 2, -2, -2 in the second the last), one model alone decides most places."""
    mix = Mix((1.0, 1.0), densities=(0.25, 0.25))
    expected = np.array([[4.0, -3, 0, 0], [5, 0, 0, 0], [0, 4, 0, 0], [0, 0, 5, -4]])
    np.testing.assert_allclose(merged("ties", BASE, [FIRST, SECOND], mix) - BASE, expected)


def test_weights_move_the_election() -> None:
    """A model weighed three times wins the sign against a larger entry of the other."""
    found = merged("ties", BASE, [FIRST, SECOND], Mix((3.0, 1.0))) - BASE
    assert found[1, 0] == -3.0
    assert found[0, 0] == pytest.approx((3 * 4 + 2) / 4)


def test_dare_keeps_the_expected_entry() -> None:
    """Dropped at random and scaled up, the mean over many draws is the task vector, and each entry is 0 or twice."""
    delta = (FIRST - BASE).reshape(-1)
    drop = Drop(0, 0.5, 2.0)
    draws = np.stack([drop.cut(delta) * drop.factor for _ in range(4000)])
    assert set((draws[:, 0] / delta[0]).tolist()) == {0.0, 2.0}
    np.testing.assert_allclose(draws.mean(axis=0), delta, atol=0.35)


def test_dare_may_keep_the_norm() -> None:
    """Scaled by its norm, what is left of a task vector is as large as it was."""
    model = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    mix = Mix((1.0,), densities=(0.5,), is_normalized=False, rescale="norm", seed=3)
    found = merged("dare-linear", np.zeros_like(model), [model], mix, part=99)
    assert np.abs(found).sum() == pytest.approx(np.abs(model).sum(), rel=1e-5)
    assert 400 < (found == 0).sum() < 600


def test_dare_of_full_density_is_task_arithmetic() -> None:
    """With nothing dropped, the linear form adds the weighed differences and the TIES form those that agree."""
    mix = Mix((1.0, 0.5), is_normalized=False, rescale="probability")
    expected = BASE + (FIRST - BASE) + 0.5 * (SECOND - BASE)
    np.testing.assert_allclose(merged("dare-linear", BASE, [FIRST, SECOND], mix), expected)
    found = merged("dare-ties", BASE, [FIRST, SECOND], mix) - BASE
    assert found[0, 1] == -1.5
    assert found[3, 3] == -7.0


def test_bf16_is_read_exactly_and_rounded_as_torch_does() -> None:
    """Every kind of number comes back as torch stores it: ties to even, subnormal, infinite."""
    import torch

    from executors.merge.arrays import narrow, widen

    values = torch.randn(100_000, generator=torch.Generator().manual_seed(0)) * torch.logspace(-38, 38, 100_000)
    values = torch.cat([values, torch.tensor([0.0, -0.0, 1.00390625, 1.01171875, float("inf"), -3.4e38])])
    stored = narrow(values.numpy(), "BF16")
    expected = values.bfloat16()
    finite = torch.isfinite(values)
    assert np.array_equal(stored[finite.numpy()], expected.view(torch.uint16).numpy()[finite.numpy()])
    assert np.array_equal(widen(stored, "BF16")[:-2], expected.float().numpy()[:-2])
