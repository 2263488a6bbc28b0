"""Earlier runs on this machine correct what the formulas say: expected times the measured ratio, in a narrower range.

Which runs count is decided where they are read; here the corrections are taken as they come.
"""

from __future__ import annotations

from advisor.domain.estimate import Range
from advisor.domain.facts import Facts
from advisor.domain.measurement import Correction, Quantity
from advisor.domain.words import Family

NARROWEST = 0.3
"""Share of the formula's own uncertainty that stays however many runs there were: data and neighbours differ."""
WORDS: dict[Quantity, str] = {"seconds": "time", "ram_gib": "RAM", "gpu_gib": "GPU memory"}


def correction_of(facts: Facts, quantity: Quantity, method: str, family: Family | None = None) -> Correction | None:
    """The correction of this method, else (where a family is given) of its family; None without either."""
    for scope in (method, *((family.value,) if family is not None else ())):
        for found in facts.corrections:
            if found.scope == scope and found.quantity == quantity:
                return found
    return None


def corrected(value: Range, found: Correction | None) -> Range:
    """The range moved by the ratio. Its relative width shrinks with the square root of the number of runs."""
    if found is None or value.expected <= 0:
        return value
    keep = max(NARROWEST, (1 + found.runs) ** -0.5)
    expected = value.expected * found.ratio
    low = 1 - keep * (1 - value.low / value.expected)
    high = 1 + keep * (value.high / value.expected - 1)
    return Range(low=expected * low, expected=expected, high=expected * high)


def note_of(found: Correction) -> str:
    """As a report says it."""
    runs = f"{found.runs} run{'s' if found.runs > 1 else ''}"
    return f"{WORDS[found.quantity]} corrected by {runs} on this machine: x{found.ratio:.2f}"
