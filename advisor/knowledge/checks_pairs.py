"""Checks of the interactions: pairs answered once, verdicts backed, stated orders kept or departed from knowingly."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from advisor.domain.interaction import Interaction, Order, Profile
from advisor.domain.knowledge import Knowledge
from advisor.domain.words import Family, Verdict
from advisor.knowledge.finding import Finding
from advisor.knowledge.pairs import is_unconditional

RANK = {Verdict.BEST: 0, Verdict.OK: 1, Verdict.NONE: 1, Verdict.CONDITIONAL: 2, Verdict.BAD: 3, Verdict.IMPOSSIBLE: 4}
"""From wished for to ruled out."""


def answered_once(knowledge: Knowledge) -> Iterator[Finding]:
    """Every ordered pair of families has exactly one entry that always holds, and it stands last."""
    for profile in knowledge.profiles:
        pairs: dict[tuple[Family, Family], list[Interaction]] = {}
        for entry in profile.interactions:
            pairs.setdefault((entry.first, entry.then), []).append(entry)
        families = {first for first, _ in pairs} | {then for _, then in pairs}
        wanted = {(first, then) for first in families for then in families if first != then}
        for first, then in sorted(wanted | pairs.keys()):
            entries = pairs.get((first, then), [])
            always = [is_unconditional(entry) for entry in entries]
            if always.count(True) != 1 or not always[-1]:
                message = f"{always.count(True)} entries answer the pair for every case"
                tip = "give it one entry without narrowing, behind those that are narrower"
                path = f"interactions.yaml {profile.id}/{first}-{then}"
                yield Finding(level="error", path=path, message=message, tip=tip)


def evidence_given(knowledge: Knowledge) -> Iterator[Finding]:
    """A verdict of best or bad shows evidence, be it the source's word alone; a bad one says what to do instead."""
    for profile in knowledge.profiles:
        for entry in profile.interactions:
            path = f"interactions.yaml {profile.id}/{entry.id}"
            if entry.verdict in (Verdict.BEST, Verdict.BAD) and not entry.evidence:
                tip = "add evidence, of strength 'claim' when it is the source's word alone"
                yield Finding(level="error", path=path, message=f"{entry.verdict} without evidence", tip=tip)
            if entry.verdict in (Verdict.BAD, Verdict.IMPOSSIBLE) and not entry.fix:
                yield Finding(level="error", path=path, message="harmful without a fix", tip="say what to do instead")
            if not entry.sources:
                yield Finding(level="error", path=path, message="no source is named", tip="name where it comes from")


def orders_agree(knowledge: Knowledge) -> Iterator[Finding]:
    """The default profile contradicts a stated order only where that order lists the departure."""
    profile = next((p for p in knowledge.profiles if p.id == "default"), None)
    if profile is None:
        tip = "interactions.yaml needs a profile of that name"
        yield Finding(level="error", path="interactions.yaml", message="there is no profile 'default'", tip=tip)
        return
    for order in knowledge.orders:
        path = f"orders.yaml {order.id}"
        contradicted = set(_contradicted(order, profile))
        listed = {(d.first, d.then) for d in order.departures}
        for first, then in sorted(contradicted - listed):
            message = f"{first} before {then} is judged worse than the other way round"
            yield Finding(level="error", path=path, message=message, tip="list it under departures with the reason")
        for first, then in sorted(listed - contradicted):
            message = f"{first} before {then} is listed as a departure but is none"
            yield Finding(level="error", path=path, message=message, tip="take it off the list")


def _contradicted(order: Order, profile: Profile) -> Iterator[tuple[Family, Family]]:
    for first, then in combinations(order.families, 2):
        if _rank(profile, first, then) > _rank(profile, then, first):
            yield first, then


def _rank(profile: Profile, first: Family, then: Family) -> int:
    pair = (e for e in profile.interactions if (e.first, e.then) == (first, then) and is_unconditional(e))
    return next((RANK[entry.verdict] for entry in pair), RANK[Verdict.NONE])


def sides_differ(knowledge: Knowledge) -> Iterator[Finding]:
    """A disagreement has at least two sides, from different places."""
    for disagreement in knowledge.disagreements:
        if len({side.source for side in disagreement.sides}) < 2:
            path = f"disagreements.yaml {disagreement.id}"
            yield Finding(level="error", path=path, message="it has one side", tip="name who says otherwise")
