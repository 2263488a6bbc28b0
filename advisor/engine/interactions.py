"""What the interaction entries say of two steps, on these facts, near or far apart.

It looks verdicts up and gives them a cost. It orders nothing and warns of nothing.
"""

from __future__ import annotations

from advisor.domain.errors import Severity
from advisor.domain.facts import Facts
from advisor.domain.interaction import Interaction, Profile
from advisor.domain.words import ActsOn, Family, Reach, Verdict
from advisor.engine.conditions import holds
from advisor.engine.parts import Part

COSTS = {Verdict.BEST: -2, Verdict.OK: 0, Verdict.NONE: 0, Verdict.CONDITIONAL: 1}
"""Only the ranking matters: any number of conditional pairs is cheaper than one bad pair."""
BAD_COSTS = {Severity.INFO: 30, Severity.WARNING: 40, Severity.DANGER: 60}
IMPOSSIBLE = 10_000
REST_ORDER = (
    Family.DATA,
    Family.PROMPT,
    Family.PRETRAIN,
    Family.DISTILL,
    Family.PRUNE,
    Family.FINETUNE,
    Family.ALIGN,
    Family.EDIT,
    Family.MERGE,
    Family.QUANTIZE,
    Family.EXPORT,
    Family.RETRIEVE,
    Family.EFFICIENCY,
)
"""Where a family that the golden order does not name stands, relative to those it names."""


class Judge:
    """The interactions of one profile, on one set of facts."""

    def __init__(self, profile: Profile, facts: Facts) -> None:
        self._facts = facts
        self._pairs: dict[tuple[Family, Family], list[Interaction]] = {}
        for interaction in profile.interactions:
            self._pairs.setdefault((interaction.first, interaction.then), []).append(interaction)
        self._known: dict[tuple[Part, Part, bool], Interaction | None] = {}
        self.ranks = golden_ranks(profile.golden_order)

    def between(self, first: Part, then: Part, is_adjacent: bool) -> Interaction | None:
        """The first entry that holds for `first` before `then`; None when nothing is known."""
        key = (first, then, is_adjacent)
        if key not in self._known:
            self._known[key] = self._find(first, then, is_adjacent)
        return self._known[key]

    def _find(self, first: Part, then: Part, is_adjacent: bool) -> Interaction | None:
        for entry in self._pairs.get((first.family, then.family), ()):
            if entry.reach is Reach.ADJACENT and not is_adjacent:
                continue
            if entry.first_techniques and first.technique not in entry.first_techniques:
                continue
            if entry.then_techniques and then.technique not in entry.then_techniques:
                continue
            if _concerns(entry.acts_on, first, then) and holds(entry.when, self._facts):
                return entry
        return None

    def cost(self, first: Part, then: Part, is_adjacent: bool) -> int:
        """What the pair costs; `IMPOSSIBLE` or more when it must not be."""
        return cost_of(self.between(first, then, is_adjacent))


def cost_of(interaction: Interaction | None) -> int:
    """The cost of a verdict; nothing known costs nothing."""
    if interaction is None:
        return 0
    if interaction.verdict is Verdict.IMPOSSIBLE:
        return IMPOSSIBLE
    if interaction.verdict is Verdict.BAD:
        return BAD_COSTS[interaction.severity]
    return COSTS[interaction.verdict]


def _concerns(acts_on: ActsOn, first: Part, then: Part) -> bool:
    """Whether an entry about one model concerns these two: training the teacher leaves the student alone."""
    if acts_on is ActsOn.TEACHER:
        return first.acts_on is ActsOn.TEACHER
    return ActsOn.TEACHER not in (first.acts_on, then.acts_on)


def golden_ranks(golden: tuple[Family, ...]) -> dict[Family, int]:
    """A rank for every family: the golden order where it speaks, the rest fitted in between."""
    ordered = list(golden)
    for family in REST_ORDER:
        if family not in ordered:
            ordered.insert(_place(ordered, family), family)
    return {family: rank for rank, family in enumerate(ordered)}


def _place(ordered: list[Family], family: Family) -> int:
    """Behind the last of the families that come before it in the rest order."""
    earlier = REST_ORDER[: REST_ORDER.index(family)]
    positions = [ordered.index(other) + 1 for other in earlier if other in ordered]
    return max(positions, default=0)
