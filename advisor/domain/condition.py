"""`Condition`: a test on facts, written as data. There are no expressions in the knowledge files."""

from __future__ import annotations

from pydantic import model_validator

from advisor.domain.base import Frozen

Scalar = bool | int | float | str


class Condition(Frozen):
    """Either one test of one fact (`fact` with one of the comparisons) or a group (`all`, `any`, `none`).

    A comparison with a fact that is not known is false; ask `known: false` for that. `one_of` on a fact
    that holds several values (needs, also) is true when any of them is listed.
    """

    all: tuple[Condition, ...] = ()
    any: tuple[Condition, ...] = ()
    none: tuple[Condition, ...] = ()
    fact: str | None = None
    one_of: tuple[Scalar, ...] | None = None
    at_least: float | None = None
    at_most: float | None = None
    above: float | None = None
    below: float | None = None
    known: bool | None = None

    @model_validator(mode="after")
    def _is_one_form(self) -> Condition:
        is_test, is_group = self.fact is not None, bool(self.all or self.any or self.none)
        compares = (
            self.one_of is not None
            or self.known is not None
            or self.at_least is not None
            or self.at_most is not None
            or self.above is not None
            or self.below is not None
        )
        if is_test == is_group or is_test != compares:
            raise ValueError("a condition is either 'fact' with a comparison, or one of 'all', 'any', 'none'")
        return self
