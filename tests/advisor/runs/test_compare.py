"""advisor/runs/compare.py: paired intervals that cover, and say when they cannot be made."""

from __future__ import annotations

import math
import random

import pytest

from advisor.domain.run import Evaluation, Metric
from advisor.runs.compare import compare


def evaluation(values: list[float], weights: list[float] | None = None, name: str = "held_out_loss") -> Evaluation:
    given = weights or [1.0] * len(values)
    mean = sum(v * w for v, w in zip(values, given, strict=True)) / sum(given)
    return Evaluation(
        metrics=(Metric(name=name, value=mean),),
        per_example={name: tuple(values)},
        weights={name: tuple(weights)} if weights else {},
    )


def test_equal_models_differ_by_nothing() -> None:
    """The same values give a change of exactly zero."""
    (found,) = compare(evaluation([1.0, 2.0, 3.0]), evaluation([1.0, 2.0, 3.0]))
    assert found.difference is not None
    assert (found.difference.low, found.difference.expected, found.difference.high) == (0, 0, 0)
    assert found.is_paired


def test_pairing_cancels_what_is_hard_for_both() -> None:
    """Examples of very different difficulty, all 10 % easier after: the interval is narrow around -10 %."""
    rng = random.Random(1)
    before = [rng.uniform(0.1, 10) for _ in range(100)]
    (found,) = compare(evaluation(before), evaluation([v * 0.9 for v in before]))
    assert found.difference is not None
    assert found.difference.low == pytest.approx(-0.1)
    assert found.difference.high == pytest.approx(-0.1)


def test_interval_covers() -> None:
    """Over 60 draws of 50 examples the 95 % interval holds the true change in at least 85 % of them."""
    hits = 0
    for seed in range(60):
        rng = random.Random(seed)
        before = [rng.uniform(1, 3) for _ in range(50)]
        after = [v * 0.8 + rng.gauss(0, 0.3) for v in before]
        (found,) = compare(evaluation(before), evaluation(after))
        assert found.difference is not None
        hits += found.difference.low <= -0.2 <= found.difference.high
    assert hits >= 51


def test_weights_count() -> None:
    """The expected change is that of the weighted means, and lies in its interval."""
    (found,) = compare(evaluation([1.0, 9.0], [9.0, 1.0]), evaluation([2.0, 9.0], [9.0, 1.0]))
    assert found.difference is not None
    assert found.difference.expected == pytest.approx(2.7 / 1.8 - 1)
    assert found.difference.low <= found.difference.expected <= found.difference.high


def test_perplexity_is_paired_through_its_loss() -> None:
    """The interval of the perplexity is that of the exponential of the mean loss."""
    first = evaluation([1.0, 2.0, 1.5, 1.7])
    second = evaluation([0.9, 1.7, 1.1, 1.6])
    metric = "held_out_perplexity"
    with_ppl = [
        e.model_copy(update={"metrics": (Metric(name=metric, value=math.exp(e.metrics[0].value)),)})
        for e in (first, second)
    ]
    (found,) = compare(*with_ppl)
    assert found.is_paired
    assert found.difference is not None
    assert found.difference.low < found.difference.expected < found.difference.high < 0


def test_accuracy_changes_in_points() -> None:
    """Accuracy is compared by difference, not by ratio."""
    (found,) = compare(
        evaluation([0.0, 1.0, 0.0, 1.0], name="accuracy"), evaluation([1.0, 1.0, 0.0, 1.0], name="accuracy")
    )
    assert not found.is_relative
    assert found.difference is not None
    assert found.difference.expected == pytest.approx(0.25)


@pytest.mark.parametrize("other", [[1.0], [1.0, 2.0]])
def test_other_examples_are_not_paired(other: list[float]) -> None:
    """Another number of examples gives the plain change, and says that it is not paired."""
    (found,) = compare(evaluation([1.0, 2.0, 3.0]), evaluation(other))
    assert not found.is_paired
    assert found.difference is not None
    assert found.difference.low == found.difference.high


def test_same_in_same_out() -> None:
    """Two comparisons of the same evaluations are equal to the last digit."""
    rng = random.Random(3)
    first, second = ([rng.random() for _ in range(40)] for _ in range(2))
    assert compare(evaluation(first), evaluation(second)) == compare(evaluation(first), evaluation(second))


def test_what_may_be_negative_changes_in_its_own_unit() -> None:
    """A margin's change is a difference: a ratio of numbers around zero says nothing."""
    before, after = (
        Evaluation(
            metrics=(Metric(name="preference_margin", value=sum(values) / 2, unit="nats/token"),),
            per_example={"preference_margin": values},
        )
        for values in ((-0.2, 0.0), (0.3, 0.5))
    )
    found = compare(before, after)[0]
    assert not found.is_relative
    assert found.difference is not None
    assert found.difference.expected == pytest.approx(0.5)
