"""Repair of a stack that a person put together: one change at a time, the gravest fault first, with what it did.

The rewrites of pairs are those of `fixes`. Added here is the chain itself: an adapter that waits to be merged gets its
merge, a merge that has nothing to merge goes. Every repair strictly lowers the cost of the stack.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from advisor.engine.fixes import fix, total_cost
from advisor.engine.order import first_break
from advisor.engine.parts import ModelState, Part, after, part_of
from advisor.engine.stack import MERGER, Situation


@dataclass(frozen=True)
class Repair:
    """A better stack, and the change in words."""

    stack: tuple[str, ...]
    text: str


def repair(situation: Situation, order: Sequence[Part]) -> Repair | None:
    """The stack with one fault less; None when no change that is known lowers its cost."""
    before = tuple(part.technique for part in order)
    known = {part.technique: part for part in order}

    def cost(stack: tuple[str, ...]) -> int:
        return total_cost(situation, [known.get(t) or part_of(situation.knowledge.technique(t)) for t in stack])

    found = [stack for stack in (fix(situation, order), _mended(situation, order)) if stack is not None]
    stack = min(found, key=cost, default=None)
    return Repair(stack, difference(before, stack)) if stack is not None else None


def _mended(situation: Situation, order: Sequence[Part]) -> tuple[str, ...] | None:
    """The chain with the merge that it misses, or without the one that has nothing to merge."""
    broken = first_break(order, situation.start)
    if broken is None:
        return None
    place, parts = broken[0], list(order)
    if parts[place].folds_adapter:
        del parts[place]
    elif _has_adapter(situation.start, parts[:place]) and MERGER in situation.knowledge.by_id:
        parts.insert(place, part_of(situation.knowledge.technique(MERGER)))
    else:
        return None
    is_better = bool(parts) and total_cost(situation, parts) < total_cost(situation, order)
    return tuple(part.technique for part in parts) if is_better else None


def _has_adapter(start: ModelState, parts: Sequence[Part]) -> bool:
    """Whether an adapter waits behind these steps, which are known to follow one another."""
    state = start
    for part in parts:
        state = after(state, part) or state
    return state.has_adapter


def difference(before: Sequence[str], now: Sequence[str]) -> str:
    """What became of a stack, in words: `adds adapter-merge`, `drops awq`, `moves gguf to step 3`."""
    more, less = Counter(now) - Counter(before), Counter(before) - Counter(now)
    # Of a technique that was there already, the last one is new.
    places = {t: now.index(t) if t not in before else len(now) - 1 - now[::-1].index(t) for t in more}
    added, dropped = [f"{t} as step {places[t] + 1}" for t in more], list(less.elements())
    words = [f"adds {', '.join(added)}"] if added else []
    words += [f"drops {', '.join(dropped)}"] if dropped else []
    if not words and tuple(before) != tuple(now):
        first = next(i for i in range(len(now)) if before[i] != now[i])
        words.append(f"moves {now[first]} to step {first + 1}")
    return " and ".join(words)
