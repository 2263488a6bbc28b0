"""Two evaluations compared: the change of each metric, with a paired bootstrap interval over the same examples.

Percentile bootstrap of a paired statistic (Efron and Tibshirani 1993, chapters 13 and 8): examples are drawn with
replacement, both models keep the same draw, so what makes an example hard for both cancels. Pure, with a fixed seed.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from advisor.domain.estimate import Range
from advisor.domain.run import Evaluation, Metric
from advisor.domain.run_report import Comparison

DRAWS = 1000
LEVEL = 0.95
_SEED = 0
_DERIVED = {"held_out_perplexity": "held_out_loss"}
"""Metrics that are the exponential of another one's mean."""
_ABOUT_ZERO = ("_margin", "_reward")
"""Endings of the names of metrics that may be negative."""


def compare(before: Evaluation, after: Evaluation) -> tuple[Comparison, ...]:
    """Every metric that both measured, in the order of `after`."""
    known = {metric.name: metric for metric in before.metrics}
    return tuple(_compare(before, after, known[m.name], m) for m in after.metrics if m.name in known)


def _compare(before: Evaluation, after: Evaluation, was: Metric, now: Metric) -> Comparison:
    is_share = now.unit == "share" or (0 <= was.value <= 1 and 0 <= now.value <= 1 and "accuracy" in now.name)
    # A margin or a reward may lie on either side of zero, where a ratio says nothing.
    is_relative = not is_share and was.value != 0 and not now.name.endswith(_ABOUT_ZERO)
    change: Callable[[float, float], float] = _ratio if is_relative else _difference
    pairs = _pairs(before, after, now.name)
    exact = change(was.value, now.value)
    difference = Range(low=exact, expected=exact, high=exact)
    if pairs is not None:
        low, high = _interval(pairs, change)
        difference = Range(low=min(low, exact), expected=exact, high=max(high, exact))
    return Comparison(
        metric=now.name,
        unit=now.unit,
        before=was.value,
        after=now.value,
        difference=difference,
        is_relative=is_relative,
        is_paired=pairs is not None,
    )


@dataclass(frozen=True)
class _Pairs:
    """Values of the same examples under both models, and the weight of each example."""

    before: tuple[float, ...]
    after: tuple[float, ...]
    weights: tuple[float, ...]
    of_mean: Callable[[float], float]


def _pairs(before: Evaluation, after: Evaluation, metric: str) -> _Pairs | None:
    name = _DERIVED.get(metric, metric)
    first, second = before.per_example.get(name, ()), after.per_example.get(name, ())
    if len(first) != len(second) or len(first) < 2:
        return None
    weights = after.weights.get(name, ())
    if before.weights.get(name, ()) != weights:
        return None
    weights = weights if len(weights) == len(first) else (1.0,) * len(first)
    return _Pairs(first, second, weights, math.exp if metric in _DERIVED else float)


def _interval(pairs: _Pairs, change: Callable[[float, float], float]) -> tuple[float, float]:
    rng = random.Random(_SEED)
    first = [v * w for v, w in zip(pairs.before, pairs.weights, strict=True)]
    second = [v * w for v, w in zip(pairs.after, pairs.weights, strict=True)]
    everyone = range(len(first))
    changes = []
    for _ in range(DRAWS):
        drawn = rng.choices(everyone, k=len(first))
        weight = _sum(pairs.weights, drawn)
        was, now = _sum(first, drawn) / weight, _sum(second, drawn) / weight
        changes.append(change(pairs.of_mean(was), pairs.of_mean(now)))
    changes.sort()
    cut = round((1 - LEVEL) / 2 * DRAWS)
    return changes[cut], changes[-cut - 1]


def _sum(values: Sequence[float], drawn: list[int]) -> float:
    return math.fsum(map(values.__getitem__, drawn))


def _ratio(was: float, now: float) -> float:
    return now / was - 1 if was else 0.0


def _difference(was: float, now: float) -> float:
    return now - was
