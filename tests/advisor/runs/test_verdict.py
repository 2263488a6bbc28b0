"""Verdicts: a rule is overruled by what the interval carries, and by nothing else."""

from __future__ import annotations

import pytest

from advisor.domain.comparison import ArmResult
from advisor.domain.run import Evaluation, Metric
from advisor.runs.verdict import change, decide, measured


def evaluation(right: int, of: int = 40, seconds: float = 1.0) -> Evaluation:
    values = (1.0,) * right + (0.0,) * (of - right)
    metrics = (
        Metric(name="answer_accuracy", value=right / of, unit="share"),
        Metric(name="answer_seconds", value=seconds, unit="s"),
        Metric(name="peak_memory", value=1.5, unit="GiB"),
    )
    return Evaluation(metrics=metrics, per_example={"answer_accuracy": values})


def judged(recommended: str, **right: tuple[int, float]) -> tuple[str | None, bool, str]:
    evaluations = {name: evaluation(count, seconds=seconds) for name, (count, seconds) in right.items()}
    arms = [measured(ArmResult(name=name, status="done"), found, None) for name, found in evaluations.items()]
    return decide(arms, evaluations, recommended)


@pytest.mark.parametrize(
    ("recommended", "prompt", "retrieval", "best", "overruled"),
    [
        ("prompt", (4, 1.0), (36, 3.0), "retrieval", True),
        ("retrieval", (4, 1.0), (36, 3.0), "retrieval", False),
        ("prompt", (20, 1.0), (21, 3.0), "prompt", False),
        ("adapter", (20, 1.0), (20, 3.0), "prompt", True),
    ],
)
def test_who_wins(
    recommended: str, prompt: tuple[int, float], retrieval: tuple[int, float], best: str, overruled: bool
) -> None:
    """The better arm wins; the recommended one keeps its place where they cannot be told apart; an arm that was not
    measured cannot win, and of equals the faster one does."""
    found = judged(recommended, prompt=prompt, retrieval=retrieval)
    assert found[:2] == (best, overruled)
    assert recommended in found[2]
    assert ("overruled" in found[2]) is (overruled and recommended != "adapter")


def test_nothing_measured() -> None:
    """Without a measurement the recommendation stands, and that is said."""
    assert decide([], {}, "prompt")[:2] == (None, False)


def test_cost_follows_from_seconds() -> None:
    """A thousand answers of 3.6 s are an hour; with a price, that price."""
    arm = ArmResult(name="x", status="done")
    plain, priced = (measured(arm, evaluation(1, seconds=3.6), price) for price in (None, 2.5))
    assert (plain.per_thousand_hours, plain.per_thousand_price) == (pytest.approx(1.0), None)
    assert priced.per_thousand_price == pytest.approx(2.5)


def test_the_change_is_paired() -> None:
    """Points with an interval over the same questions; none against something that was not measured."""
    found = change(evaluation(10), evaluation(30))
    assert found is not None
    assert found.expected == pytest.approx(0.5)
    assert 0.3 < found.low < found.expected < found.high < 0.7
    assert change(None, evaluation(3)) is None
