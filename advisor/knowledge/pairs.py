"""Interactions as they are written in `trees/interactions.yaml`, and their expansion to one entry per ordered pair.

Most pairs of families say the same thing ("nothing may follow an export"), so a profile writes such a sentence once,
for lists of families, and the entries that say more beside it.
"""

from __future__ import annotations

from collections.abc import Iterator

from advisor.domain.base import Frozen
from advisor.domain.errors import Severity
from advisor.domain.interaction import Interaction, Profile
from advisor.domain.technique import Evidence
from advisor.domain.words import ActsOn, Family, Reach, Verdict


class PairDefault(Frozen):
    """What holds of every pair of the listed families that no entry answers in full."""

    first: tuple[Family, ...]
    then: tuple[Family, ...]
    verdict: Verdict
    severity: Severity = Severity.INFO
    reach: Reach = Reach.ADJACENT
    acts_on: ActsOn = ActsOn.ANY
    condition: str = ""
    because: str
    fix: str = ""
    evidence: tuple[Evidence, ...] = ()
    sources: tuple[str, ...] = ()


class ProfileEntry(Frozen):
    """One profile as it is written: entries, and defaults for the pairs they leave open."""

    id: str
    families: tuple[Family, ...]
    """Every ordered pair of two different ones is answered."""
    golden_order: tuple[Family, ...]
    interactions: tuple[Interaction, ...]
    defaults: tuple[PairDefault, ...]
    """The first that names a pair answers it."""


def expand(entry: ProfileEntry) -> Profile:
    """Answer every ordered pair: the entries of a pair in their written order, then its default.

    Raises ValueError when a pair has no answer.
    """
    interactions = tuple(i for pair in _pairs(entry) for i in _answers(entry, *pair))
    return Profile(id=entry.id, interactions=interactions, golden_order=entry.golden_order)


def _pairs(entry: ProfileEntry) -> Iterator[tuple[Family, Family]]:
    written = {(i.first, i.then) for i in entry.interactions}
    for first in Family:
        for then in Family:
            both = first in entry.families and then in entry.families and first != then
            if both or (first, then) in written:
                yield first, then


def _answers(entry: ProfileEntry, first: Family, then: Family) -> Iterator[Interaction]:
    written = [i for i in entry.interactions if (i.first, i.then) == (first, then)]
    yield from written
    if any(is_unconditional(i) for i in written):
        return
    default = next((d for d in entry.defaults if first in d.first and then in d.then), None)
    if default is not None:
        shared = {name: getattr(default, name) for name in PairDefault.model_fields if name not in ("first", "then")}
        yield Interaction(id=f"{first}-{then}", first=first, then=then, **shared)
    elif first != then:
        raise ValueError(f"profile {entry.id!r} does not answer {first} then {then}")


def is_unconditional(interaction: Interaction) -> bool:
    """True when the entry decides its pair for all techniques and facts.

    An entry about the teacher decides nothing for a stack that works on one model.
    """
    is_narrowed = interaction.first_techniques or interaction.then_techniques or interaction.acts_on is ActsOn.TEACHER
    return interaction.when is None and not is_narrowed
