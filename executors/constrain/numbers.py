"""Whole and decimal numbers between bounds as regular languages."""

from __future__ import annotations

import math

from executors.constrain.regular import Choice, Node, OneOf, Repeat, Sequence, literal, optional

DIGIT = OneOf(frozenset(b"0123456789"))
LARGEST = 999_999_999
"""Bound of a number whose schema names none: small models otherwise write digits until they are stopped."""
DECIMALS = 6


def whole(low: int, high: int) -> Node:
    """Every whole number from `low` to `high`, without leading zeros; nothing when there is none."""
    parts: list[Node] = []
    if low < 0:
        parts += [Sequence((literal("-"), part)) for part in _naturals(max(1, -high), -low)]
    if high >= 0:
        parts += _naturals(max(0, low), high)
    return Choice(tuple(parts))


def decimal(low: float, high: float) -> Node:
    """Numbers from `low` to `high` with up to six decimals; of a unit that a bound cuts only the whole number."""
    first, last = math.ceil(low), math.floor(high)
    parts: list[Node] = [whole(first, last)] if first <= last else []
    fraction = Sequence((literal("."), Repeat(DIGIT, 1, DECIMALS)))
    if last - 1 >= max(first, 0):
        parts.append(Sequence((whole(max(first, 0), last - 1), fraction)))
    if -first - 1 >= max(-last, 0):
        parts.append(Sequence((literal("-"), whole(max(-last, 0), -first - 1), fraction)))
    if not parts and low <= high:
        # Both bounds inside one unit: the bounds themselves are what can surely be written.
        parts = [literal(repr(low)), literal(repr(high))]
    return Choice(tuple(parts))


def _naturals(low: int, high: int) -> list[Node]:
    """Numbers of equal length between bounds, length by length."""
    if low > high:
        return []
    found: list[Node] = []
    for length in range(len(str(low)), len(str(high)) + 1):
        start = max(low, 10 ** (length - 1) if length > 1 else 0)
        found.append(_between(str(start), str(min(high, 10**length - 1))))
    return found


def _between(low: str, high: str) -> Node:
    """Digit strings of one length from `low` to `high`."""
    if not low:
        return Sequence(())
    if low == "0" * len(low) and high == "9" * len(high):
        return Repeat(DIGIT, len(low), len(low))
    first, last = int(low[0]), int(high[0])
    rest = len(low) - 1
    if first == last:
        return Sequence((literal(low[0]), _between(low[1:], high[1:])))
    parts: list[Node] = [Sequence((literal(low[0]), _between(low[1:], "9" * rest)))]
    if last - first > 1:
        middle = OneOf(frozenset(range(ord("0") + first + 1, ord("0") + last)))
        parts.append(Sequence((middle, Repeat(DIGIT, rest, rest))))
    parts.append(Sequence((literal(high[0]), _between("0" * rest, high[1:]))))
    return Choice(tuple(parts))


def anything() -> Node:
    """A number without bounds of its own."""
    natural = whole(0, LARGEST)
    return Sequence((optional(literal("-")), natural, optional(Sequence((literal("."), Repeat(DIGIT, 1, DECIMALS))))))
