"""`Rule`: one piece of advice as data: under these facts, favour or rule out these techniques, and why."""

from __future__ import annotations

from typing import Literal

from advisor.domain.base import Frozen
from advisor.domain.condition import Condition


class Rule(Frozen):
    """Rules decide what is chosen; feasibility (memory, formats, data) is decided before them."""

    id: str
    when: Condition
    effect: Literal["choose", "favor", "disfavor", "exclude", "support"]
    """choose: opens a slot and offers these techniques for it; favor, disfavor: change the score inside a slot;
    exclude: rule out with `because`; support: accompanies the stack."""
    techniques: tuple[str, ...]
    weight: float = 1.0
    """For favor and disfavor: points."""
    slot: str = ""
    """For choose: the family to fill; one technique of the offered is taken."""
    because: str
    source: str
