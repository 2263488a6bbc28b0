"""The cheapest order of a set of steps, exact, and why each pair stands as it does.

Hard: an impossible verdict, and a step that cannot start from what the steps before it leave. Soft: the cost of every
other verdict. Equal costs are settled by the golden order, then by technique id, so the answer never wavers.
Method: dynamic programming over subsets (Held and Karp 1962), with the last step and the state of the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations

from advisor.domain.recommendation import PairReason
from advisor.domain.record import record
from advisor.domain.words import ArtifactKind
from advisor.engine.interactions import IMPOSSIBLE, Judge
from advisor.engine.parts import ModelState, Part, after, why_not_after

_SCALE = 1000
"""A unit of cost outweighs any number of golden-order inversions among the steps of one stack."""


@record
class Ordered:
    """A solved order. `cost` is the sum of the verdicts' costs; `core` names the conflict when there is no order."""

    parts: tuple[Part, ...] = ()
    cost: int = 0
    core: tuple[str, ...] = ()
    why: str = ""

    @property
    def is_possible(self) -> bool:
        return not self.core


def solve(parts: Sequence[Part], judge: Judge, start: ModelState) -> Ordered:
    """The cheapest order of `parts`, or the smallest set of them that cannot be ordered at all."""
    listed = sorted(parts, key=lambda part: part.technique)
    order = _search(listed, judge, start)
    if order is None:
        core = _conflict(listed, judge, start)
        return Ordered(core=tuple(p.technique for p in core), why=_explain_conflict(core, judge, start))
    return Ordered(parts=tuple(order), cost=cost_of_order(order, judge))


def cost_of_order(order: Sequence[Part], judge: Judge) -> int:
    """The sum over all pairs of what their verdicts cost."""
    pairs = combinations(range(len(order)), 2)
    return sum(judge.cost(order[i], order[j], j == i + 1) for i, j in pairs)


def first_break(order: Sequence[Part], start: ModelState) -> tuple[int, str] | None:
    """The first step that cannot start from what the ones before it leave, and why; None when the chain holds."""
    state = start
    for position, part in enumerate(order):
        following = after(state, part)
        if following is None:
            return position, why_not_after(state, part)
        state = following
    return None


def _tables(parts: list[Part], judge: Judge) -> tuple[list[list[int]], list[list[int]]]:
    """Scaled costs of i before j: far apart (with the golden-order inversion), and what adjacency adds."""
    far, near = [], []
    for first in parts:
        far_row, near_row = [], []
        for then in parts:
            apart, beside = judge.cost(first, then, False), judge.cost(first, then, True)
            is_inverted = judge.ranks[first.family] > judge.ranks[then.family]
            far_row.append(apart * _SCALE + is_inverted)
            near_row.append((beside - apart) * _SCALE)
        far.append(far_row)
        near.append(near_row)
    return far, near


class _States:
    """States of the model as small numbers, and where each step leads from them; -1: nowhere."""

    def __init__(self, parts: list[Part], start: ModelState) -> None:
        self._parts = parts
        self._known = [start]
        self.rows: list[list[int]] = [self._row(start)]

    def _row(self, state: ModelState) -> list[int]:
        return [self._number(state if part.is_beside else after(state, part)) for part in self._parts]

    def _number(self, state: ModelState | None) -> int:
        if state is None:
            return -1
        if state not in self._known:
            self._known.append(state)
        return self._known.index(state)

    def row(self, number: int) -> list[int]:
        """The states behind each step, started from this one."""
        while len(self.rows) <= number:
            self.rows.append(self._row(self._known[len(self.rows)]))
        return self.rows[number]


_Found = tuple[int, tuple[int, ...]]


def _search(parts: list[Part], judge: Judge, start: ModelState) -> list[Part] | None:
    far, near = _tables(parts, judge)
    states = _States(parts, start)
    limit, width = IMPOSSIBLE * _SCALE // 2, len(parts)
    layer: dict[tuple[int, int, int], _Found] = {(0, -1, 0): (0, ())}
    for _ in parts:
        following: dict[tuple[int, int, int], _Found] = {}
        sums: dict[int, list[int]] = {}
        for (mask, last, state), (cost, taken) in layer.items():
            if mask not in sums:
                sums[mask] = [sum(column) for column in zip(*(far[i] for i in taken), strict=True)] or [0] * width
            to_come, beside, leads = sums[mask], near[last] if last >= 0 else _none(width), states.row(state)
            for j in range(width):
                added = to_come[j] + beside[j]
                if mask >> j & 1 or leads[j] < 0 or added >= limit:
                    continue
                key = (mask | 1 << j, j, leads[j])
                known = following.get(key)
                if known is None or cost + added <= known[0]:
                    found = (cost + added, (*taken, j))
                    if known is None or found < known:
                        following[key] = found
        layer = following
    best = min(layer.values(), default=None)
    return [parts[j] for j in best[1]] if best else None


@lru_cache(maxsize=16)
def _none(width: int) -> tuple[int, ...]:
    return (0,) * width


def _conflict(parts: list[Part], judge: Judge, start: ModelState) -> tuple[Part, ...]:
    """The smallest subset that has no order. A subset is judged with the adapter its members need, if there is one."""
    makers = [p for p in parts if p.produces is ArtifactKind.ADAPTER]
    for size in range(1, len(parts) + 1):
        for subset in combinations(parts, size):
            needs_adapter = any(p.folds_adapter for p in subset)
            if needs_adapter and makers and not any(p in makers for p in subset):
                continue
            if _search(list(subset), judge, start) is None:
                return subset
    return tuple(parts)


def _explain_conflict(core: tuple[Part, ...], judge: Judge, start: ModelState) -> str:
    for first, then in combinations(core, 2):
        verdicts = [judge.between(a, b, True) for a, b in ((first, then), (then, first))]
        if all(v is not None and v.verdict.value == "impossible" for v in verdicts):
            return " ".join(v.because for v in verdicts if v is not None)
    broken = first_break(core, start)
    return broken[1] if broken else "their interactions rule out every order"


def explain(order: Sequence[Part], judge: Judge) -> tuple[PairReason, ...]:
    """Pair by pair, why the first stands before the second: neighbours, and whatever holds at a distance."""
    reasons = []
    for i, j in combinations(range(len(order)), 2):
        first, then, is_adjacent = order[i], order[j], j == i + 1
        forward = judge.between(first, then, is_adjacent)
        if forward is None and not is_adjacent:
            continue
        backward = judge.between(then, first, True)
        if then.folds_adapter and first.produces is ArtifactKind.ADAPTER:
            text = f"{then.technique} folds in the adapter that {first.technique} leaves"
            reasons.append(PairReason(first=first.technique, then=then.technique, verdict="needed", because=text))
            continue
        text = forward.because if forward else "no known interaction; placed by the golden order"
        if backward is not None and judge.cost(then, first, True) > judge.cost(first, then, is_adjacent):
            text += f" The other way round: {backward.because}"
        reasons.append(
            PairReason(
                first=first.technique,
                then=then.technique,
                verdict=forward.verdict.value if forward else "none",
                because=text,
                sources=forward.sources if forward else (),
            )
        )
    return tuple(reasons)
