"""`Interaction`: what doing one family and then another does to a model, under which condition, and why."""

from typing import Literal

from advisor.domain.base import Frozen
from advisor.domain.condition import Condition
from advisor.domain.errors import Severity
from advisor.domain.technique import Evidence
from advisor.domain.words import ActsOn, Family, Reach, Verdict


class Rewrite(Frozen):
    """A change of the stack that removes the fault of a pair."""

    action: Literal["swap", "insert", "replace", "drop", "move-last"]
    target: Literal["first", "then", "between"] = "then"
    technique: str | None = None
    """The technique inserted or put in the place of the target."""


class Interaction(Frozen):
    """One ordered pair of families. Several entries may stand for a pair; the first whose condition holds decides."""

    id: str
    first: Family
    then: Family
    first_techniques: tuple[str, ...] = ()
    """Narrows `first` to these techniques; empty means the whole family."""
    then_techniques: tuple[str, ...] = ()
    verdict: Verdict
    severity: Severity = Severity.INFO
    reach: Reach = Reach.ADJACENT
    acts_on: ActsOn = ActsOn.ANY
    condition: str = ""
    """The condition in words; empty when it always holds."""
    when: Condition | None = None
    """The condition as a test on facts, where it can be tested."""
    because: str
    fix: str = ""
    rewrite: Rewrite | None = None
    evidence: tuple[Evidence, ...] = ()
    disputed_by: tuple[str, ...] = ()
    """Sources (`id where`) that say otherwise."""
    disputed_text: str = ""
    sources: tuple[str, ...] = ()


class Departure(Frozen):
    """A pair that an order puts one way and the default profile judges otherwise, knowingly."""

    first: Family
    then: Family
    because: str


class Order(Frozen):
    """A total order of families as one source states it, e.g. the golden ordering."""

    id: str
    families: tuple[Family, ...]
    text: str
    reasons: dict[str, str] = {}
    departures: tuple[Departure, ...] = ()
    sources: tuple[str, ...] = ()


class Disagreement(Frozen):
    """A question on which sources differ, the sides, and the one taken by default."""

    id: str
    question: str
    sides: tuple[Evidence, ...]
    taken: str
    because: str
    families: tuple[Family, ...]
    """It is shown when a stack holds all of these, or candidates for them."""
    techniques: tuple[str, ...] = ()
    """Narrows it to stacks that hold one of these techniques; empty means any."""
    when: Condition | None = None
    """Narrows it to facts."""
    measurable: str = ""
    """How it can be measured here."""


class Profile(Frozen):
    """A complete set of interactions: `default`, or `source-matrix` as its source gives it."""

    id: str
    interactions: tuple[Interaction, ...]
    golden_order: tuple[Family, ...]
