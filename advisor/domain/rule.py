"""`Rule`: one piece of advice as data: under these facts, favour or rule out these techniques, and why."""

from typing import Literal

from advisor.domain.base import Frozen
from advisor.domain.condition import Condition
from advisor.domain.errors import Severity


class Rule(Frozen):
    """Rules decide what is chosen; feasibility (memory, formats, data) is decided before them."""

    id: str
    when: Condition
    effect: Literal["choose", "favor", "disfavor", "exclude", "support", "warn"]
    """choose: opens a slot and offers these techniques for it; favor, disfavor: change the score inside a slot;
    exclude: rule out with `because`; support: accompanies the stack; warn: `because` is told as a warning."""
    techniques: tuple[str, ...]
    """For warn and support: needed in the stack, any one of them (warn), or what accompanies it (support)."""
    weight: float = 1.0
    """For favor and disfavor: points."""
    slot: str = ""
    """For choose: what to fill, one technique of the offered is taken."""
    optional: bool = False
    """For choose: when nothing offered is feasible, the stack does without; otherwise its goal is not reached."""
    tell: bool = False
    """For exclude: told even where no slot offered the technique, because people ask about it."""
    beside: tuple[str, ...] = ()
    """For support: shown only when one of these techniques stands in the stack; empty means always."""
    severity: Severity = Severity.INFO
    """For warn."""
    fix: str = ""
    """For warn: what to do about it."""
    because: str
    source: str
