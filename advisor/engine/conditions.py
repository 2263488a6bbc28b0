"""Conditions: whether a test on facts holds, and what it says in words.

Conditions come from the knowledge files as data. Nothing here knows what any fact means.
"""

from __future__ import annotations

from collections.abc import Iterable

from advisor.domain.condition import Condition, Scalar
from advisor.domain.facts import Facts


def holds(condition: Condition | None, facts: Facts) -> bool:
    """Whether the condition is true of these facts; no condition always is.

    A comparison with a fact that is not known is false, whichever way it compares. Raises AttributeError for
    a fact that does not exist: the knowledge files are wrong then, not the situation.
    """
    if condition is None:
        return True
    if condition.fact is not None:
        return _test(condition, getattr(facts, condition.fact))
    if condition.all and not all(holds(part, facts) for part in condition.all):
        return False
    if condition.any and not any(holds(part, facts) for part in condition.any):
        return False
    return not (condition.none and any(holds(part, facts) for part in condition.none))


def _test(condition: Condition, value: object) -> bool:
    is_known = value is not None and value != () and value != ""
    if condition.known is not None and condition.known != is_known:
        return False
    if condition.one_of is not None and not (is_known and _is_listed(value, condition.one_of)):
        return False
    if _has_bounds(condition):
        return isinstance(value, int | float) and not isinstance(value, bool) and _is_within(condition, value)
    return True


def _is_listed(value: object, listed: tuple[Scalar, ...]) -> bool:
    if isinstance(value, tuple):
        return any(part in listed for part in value)
    if isinstance(value, bool):
        return any(value is part for part in listed)
    return any(value == part and not isinstance(part, bool) for part in listed)


def _has_bounds(condition: Condition) -> bool:
    is_free = condition.at_least is None and condition.at_most is None
    return not (is_free and condition.above is None and condition.below is None)


def _is_within(condition: Condition, value: float) -> bool:
    return (
        (condition.at_least is None or value >= condition.at_least)
        and (condition.at_most is None or value <= condition.at_most)
        and (condition.above is None or value > condition.above)
        and (condition.below is None or value < condition.below)
    )


def describe(condition: Condition | None) -> str:
    """The condition as a phrase, e.g. `data_examples is at most 50 and task is reasoning or code`."""
    if condition is None:
        return "always"
    if condition.fact is not None:
        return _phrase(condition)
    parts = []
    if condition.all:
        parts.append(" and ".join(_bracketed(part) for part in condition.all))
    if condition.any:
        parts.append(" or ".join(_bracketed(part) for part in condition.any))
    if condition.none:
        parts.append("not " + " and not ".join(_bracketed(part) for part in condition.none))
    return "; ".join(parts)


def _bracketed(condition: Condition) -> str:
    text = describe(condition)
    return f"({text})" if condition.fact is None and " " in text and len(_children(condition)) > 1 else text


def _children(condition: Condition) -> list[Condition]:
    return [*condition.all, *condition.any, *condition.none]


def _phrase(condition: Condition) -> str:
    name = str(condition.fact).replace("_", " ")
    tests = []
    if condition.known is not None:
        tests.append("is known" if condition.known else "is not known")
    if condition.one_of is not None:
        tests.append("is " + _listing(condition.one_of))
    for words, bound in (
        ("is at least", condition.at_least),
        ("is at most", condition.at_most),
        ("is above", condition.above),
        ("is below", condition.below),
    ):
        if bound is not None:
            tests.append(f"{words} {bound:g}")
    return f"{name} " + " and ".join(tests)


def _listing(values: Iterable[Scalar]) -> str:
    return " or ".join(("yes" if v else "no") if isinstance(v, bool) else str(v) for v in values)
