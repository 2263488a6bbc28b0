"""Regular languages over bytes as small trees: what a schema or an expression is turned into before it is an automaton.

Every tree is finite: repetitions have an upper bound, so that what is written under it ends.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from typing import Any

from advisor.domain.errors import AdvisorError

MOST_REPEATS = 64
"""Upper bound of a repetition that names none."""
LONGEST_REPEAT = 4096


@dataclass(frozen=True, slots=True)
class OneOf:
    """One byte of a set."""

    values: frozenset[int]


@dataclass(frozen=True, slots=True)
class Sequence:
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the parts; of none: nothing can be written."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """`part` at least `low` and at most `high` times."""

    part: Node
    low: int
    high: int


Node = OneOf | Sequence | Choice | Repeat
EMPTY = Sequence(())


def literal(text: str) -> Node:
    """Exactly this text."""
    return Sequence(tuple(OneOf(frozenset([byte])) for byte in text.encode("utf-8", "surrogatepass")))


def bytes_between(low: int, high: int) -> OneOf:
    return OneOf(frozenset(range(low, high + 1)))


def optional(part: Node) -> Node:
    return Repeat(part, 0, 1)


def unicode_above_ascii() -> Node:
    """One character from U+0080 on, well-formed as RFC 3629 section 4 defines it."""
    tail = bytes_between(0x80, 0xBF)
    return Choice(
        (
            Sequence((bytes_between(0xC2, 0xDF), tail)),
            Sequence((bytes_between(0xE0, 0xE0), bytes_between(0xA0, 0xBF), tail)),
            Sequence((OneOf(frozenset([*range(0xE1, 0xED), 0xEE, 0xEF])), tail, tail)),
            Sequence((bytes_between(0xED, 0xED), bytes_between(0x80, 0x9F), tail)),
            Sequence((bytes_between(0xF0, 0xF0), bytes_between(0x90, 0xBF), tail, tail)),
            Sequence((bytes_between(0xF1, 0xF3), tail, tail, tail)),
            Sequence((bytes_between(0xF4, 0xF4), bytes_between(0x80, 0x8F), tail, tail)),
        )
    )


def without(node: Node, values: frozenset[int]) -> Node:
    """The language without the texts that hold any of these bytes."""
    match node:
        case OneOf(own):
            return OneOf(own - values)
        case Sequence(parts):
            return Sequence(tuple(without(part, values) for part in parts))
        case Choice(parts):
            return Choice(tuple(without(part, values) for part in parts))
        case Repeat(part, low, high):
            return Repeat(without(part, values), low, high)


def expression(pattern: str) -> Node:
    """A regular expression in Python's syntax, matched as a whole. Unbounded repeats end after 64.

    Raises AdvisorError for what is not a regular language (groups referred to, looking around) or not written well.
    """
    # The standard library's own parser: the syntax is the one people know.
    parser = importlib.import_module("re._parser")

    try:
        parsed = parser.parse(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise AdvisorError(f"the regular expression {pattern[:80]!r} cannot be read", why=str(error)[:200]) from None
    return _all(parsed)


def _all(parsed: Any) -> Node:
    return Sequence(tuple(_node(str(name), value) for name, value in parsed))


def _node(name: str, value: Any) -> Node:
    match name:
        case "LITERAL":
            return literal(chr(value))
        case "NOT_LITERAL":
            return _set([("NEGATE", None), ("LITERAL", value)])
        case "ANY":
            return _set([("NEGATE", None), ("LITERAL", 10)])
        case "IN":
            return _set([(str(kind), inner) for kind, inner in value])
        case "BRANCH":
            return Choice(tuple(_all(part) for part in value[1]))
        case "SUBPATTERN":
            return _all(value[-1])
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            low, high, inner = int(value[0]), int(value[1]), value[2]
            high = high if high <= LONGEST_REPEAT else max(low, MOST_REPEATS)
            if low > LONGEST_REPEAT:
                raise AdvisorError(f"a repetition of {low} in a regular expression is too long")
            return Repeat(_all(inner), low, high)
        case "AT":
            return EMPTY  # the whole is matched anyway
        case _:
            raise AdvisorError(
                f"a regular expression uses {name.lower()}, which cannot constrain decoding",
                hint="use literals, sets, groups, choices and repetitions",
            )


_CLASSES = {
    "CATEGORY_DIGIT": frozenset(b"0123456789"),
    "CATEGORY_SPACE": frozenset(b" \t\n\r\f\v"),
    "CATEGORY_WORD": frozenset(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"),
}


def _set(items: list[tuple[str, Any]]) -> Node:
    """A set of characters. Ranges beyond ASCII are not split: they are refused, negated sets contain them all."""
    is_negated = bool(items) and items[0][0] == "NEGATE"
    values: set[int] = set()
    for kind, inner in items:
        if kind == "LITERAL":
            values.add(int(inner))
        elif kind == "RANGE":
            values.update(range(int(inner[0]), int(inner[1]) + 1))
        elif kind == "CATEGORY" and str(inner) in _CLASSES:
            values |= _CLASSES[str(inner)]
        elif kind == "CATEGORY":
            name = str(inner).replace("CATEGORY_NOT_", "CATEGORY_")
            values |= frozenset(range(128)) - _CLASSES[name]
    if is_negated:
        return Choice((OneOf(frozenset(range(128)) - values), unicode_above_ascii()))
    if any(value > 127 for value in values):
        if len(values) > 512:
            raise AdvisorError("a set in a regular expression spans too many characters", hint="use ASCII ranges")
        return Choice(tuple(literal(chr(value)) for value in sorted(values)))
    return OneOf(frozenset(values))
