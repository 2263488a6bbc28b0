"""Fixes: a stack rewritten so that the fault of a pair is gone. A fix is offered only if it lowers the cost.

The rewrite is named by the interaction; what it makes of a stack is decided here. Nothing is reordered beyond it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from advisor.domain.interaction import Interaction, Rewrite
from advisor.domain.words import Verdict
from advisor.engine.interactions import IMPOSSIBLE, cost_of
from advisor.engine.order import cost_of_order, first_break, solve
from advisor.engine.parts import Part, part_of
from advisor.engine.stack import Situation

FAULTS = (Verdict.BAD, Verdict.IMPOSSIBLE, Verdict.CONDITIONAL)


def faults(situation: Situation, order: Sequence[Part]) -> list[tuple[int, int, Interaction]]:
    """The pairs in trouble, the costliest first: positions and the entry that says so."""
    found = []
    for i, j in combinations(range(len(order)), 2):
        entry = situation.judge.between(order[i], order[j], j == i + 1)
        if entry is not None and entry.verdict in FAULTS:
            found.append((i, j, entry))
    return sorted(found, key=lambda fault: -cost_of(fault[2]))


def total_cost(situation: Situation, order: Sequence[Part]) -> int:
    """What an order costs; a chain that breaks costs as much as an impossible pair."""
    broken = first_break(order, situation.start) is not None
    return cost_of_order(order, situation.judge) + (IMPOSSIBLE if broken else 0)


def rewrite(situation: Situation, order: Sequence[Part], i: int, j: int, change: Rewrite) -> list[Part] | None:
    """The order after the change of the pair at `i` and `j`; None when the change cannot be made."""
    parts = list(order)
    place = i if change.target == "first" else j
    if change.action == "drop":
        del parts[place]
    elif change.action == "move-last":
        parts.append(parts.pop(place))
    elif change.action == "swap":
        parts.insert(i, parts.pop(j))
    elif change.technique is None or change.technique not in situation.knowledge.by_id:
        return None
    else:
        new = part_of(situation.knowledge.technique(change.technique))
        if any(part.technique == new.technique for part in parts):
            return None
        if change.action == "replace":
            parts[place] = new
        else:
            parts.insert(i + 1 if change.target == "between" else place, new)
    return parts if _holds_together(parts) else None


def _holds_together(parts: list[Part]) -> bool:
    """A merge of an adapter without an adapter is no stack."""
    has_adapter = any(p.produces is not None and p.produces.value == "adapter" for p in parts)
    return bool(parts) and (has_adapter or all(p.technique != "adapter-merge" for p in parts))


def fix(situation: Situation, order: Sequence[Part], code: str | None = None) -> tuple[str, ...] | None:
    """Technique ids of the stack with its gravest fault (or the fault of that code) removed; None when nothing helps.

    The named rewrite comes first, then the cheapest order of the same steps. Whichever it is, the cost falls strictly.
    """
    before = total_cost(situation, order)
    chosen = [fault for fault in faults(situation, order) if code is None or fault[2].id == code]
    for i, j, entry in chosen:
        if entry.rewrite is None:
            continue
        changed = rewrite(situation, order, i, j, entry.rewrite)
        if changed is not None and total_cost(situation, changed) < before:
            return tuple(part.technique for part in changed)
    if chosen or first_break(order, situation.start) is not None:
        return _reordered(situation, order, before)
    return None


def _reordered(situation: Situation, order: Sequence[Part], before: int) -> tuple[str, ...] | None:
    solved = solve(order, situation.judge, situation.start)
    if solved.is_possible and total_cost(situation, solved.parts) < before:
        return tuple(part.technique for part in solved.parts)
    return None
