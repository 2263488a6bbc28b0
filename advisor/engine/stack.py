"""From chosen candidates to an ordered stack: what must be inserted between them, and the cheapest order.

It is the part of the advice that is run again and again, for alternatives and flips, and so does nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from advisor.domain.facts import Facts
from advisor.domain.knowledge import Knowledge
from advisor.domain.recommendation import Reason, Rejection
from advisor.domain.record import record
from advisor.domain.words import ArtifactKind, Family
from advisor.engine.choose import Choice, Scored, choose, slots_of
from advisor.engine.eligibility import Candidate, Examiner
from advisor.engine.interactions import BAD_COSTS, Judge
from advisor.engine.order import Ordered, solve
from advisor.engine.parts import Part, part_of, start_state

MERGER = "adapter-merge"
NEEDS_ONE_MODEL = frozenset({Family.QUANTIZE, Family.PRUNE, Family.MERGE, Family.EXPORT})
"""Families that work on one set of weights: an adapter beside it has to be folded in first."""


@record
class Member:
    """One step of a stack: its part in the order, its candidate, and why it is there."""

    part: Part
    candidate: Candidate
    reasons: tuple[Reason, ...] = ()
    against: tuple[Reason, ...] = ()
    slot: str = ""

    @property
    def technique(self) -> str:
        return self.part.technique


@record
class Assembled:
    """A stack in its order, or why there is none."""

    members: tuple[Member, ...] = ()
    rejected: tuple[Rejection, ...] = ()
    is_feasible: bool = False

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(member.technique for member in self.members)


@dataclass(eq=False, repr=False)
class Situation:
    """What every run of the engine needs: knowledge, facts, the judge of pairs, and the shared examiner."""

    knowledge: Knowledge
    facts: Facts
    profile: str = "default"
    examiner: Examiner = field(default_factory=Examiner)

    def __post_init__(self) -> None:
        self.judge = Judge(self.knowledge.profile(self.profile), self.facts)
        self.start = start_state(self.facts)

    def with_facts(self, facts: Facts) -> Situation:
        """The same situation with other facts; estimates are kept."""
        return Situation(self.knowledge, facts, self.profile, self.examiner)


def decide(situation: Situation) -> tuple[Choice, Assembled]:
    """The choice and the stack made of it."""
    choice = choose(situation.knowledge, situation.facts, situation.examiner)
    members = [member_of(scored, slot.name) for slot, scored in choice.chosen]
    return choice, assemble(situation, members, choice)


def member_of(scored: Scored, slot: str) -> Member:
    """A chosen candidate as a member of a stack."""
    part = part_of(scored.candidate.technique, scored.candidate.config)
    return Member(part, scored.candidate, scored.reasons, scored.against, slot)


def assemble(situation: Situation, members: Sequence[Member], choice: Choice) -> Assembled:
    """Insert what is missing, then order. Members of optional slots give way when the whole cannot be ordered."""
    rejected = list(choice.rejected)
    kept = list(members)
    if not kept or _misses_its_goal(situation, choice):
        return Assembled(rejected=tuple(rejected))
    while True:
        full, ordered = _solved(situation, kept)
        if ordered.is_possible:
            by_part = {member.part: member for member in full}
            inside = {part.technique for part in ordered.parts}
            out = tuple(r for r in rejected if r.technique not in inside)
            return Assembled(tuple(by_part[part] for part in ordered.parts), out, True)
        victim = _victim(kept, ordered, choice)
        others = ", ".join(t for t in ordered.core if t != victim.technique)
        why = f"cannot be combined with {others}: {ordered.why}" if others else ordered.why
        rejected.append(Rejection(technique=victim.technique, because=why))
        kept.remove(victim)
        if not kept:
            return Assembled(rejected=tuple(rejected))


def _misses_its_goal(situation: Situation, choice: Choice) -> bool:
    """Whether a slot that the first goal needs stays empty. Further goals may fail; that is warned about."""
    missing = {slot.name for slot in choice.unfilled}
    if not missing or not situation.facts.also:
        return bool(missing)
    alone = situation.facts.model_copy(update={"goals": (situation.facts.goal,), "also": ()})
    return bool(missing & slots_of(situation.knowledge, alone))


def _victim(members: list[Member], ordered: Ordered, choice: Choice) -> Member:
    """Who gives way in a conflict: a member of an optional slot, else the one whose slot was opened last."""
    optional = {slot.name for slot in choice.slots if slot.is_optional}
    involved = [member for member in members if member.technique in ordered.core] or members
    return next((member for member in reversed(involved) if member.slot in optional), involved[-1])


def _solved(situation: Situation, members: list[Member]) -> tuple[list[Member], Ordered]:
    """The members in their cheapest order, with a merge of the adapter where one is needed, or mends a bad order."""
    plain = solve([member.part for member in members], situation.judge, situation.start)
    makers = [m for m in members if m.part.produces is ArtifactKind.ADAPTER and not m.part.is_beside]
    takers = [m for m in members if m.part.family in NEEDS_ONE_MODEL and not m.part.is_beside]
    is_good = plain.is_possible and plain.cost < min(BAD_COSTS.values())
    if not makers or any(m.technique == MERGER for m in members) or (is_good and not takers):
        return members, plain
    merger = _merger(situation, takers)
    if isinstance(merger, Rejection):
        return members, plain if is_good or not takers else _without_merge(makers, takers, merger)
    full = [*members, merger]
    merged = solve([member.part for member in full], situation.judge, situation.start)
    is_better = merged.is_possible and (not plain.is_possible or merged.cost < plain.cost)
    return (full, merged) if is_better else (members, plain)


def _without_merge(makers: list[Member], takers: list[Member], refused: Rejection) -> Ordered:
    """No order: what makes the adapter and what needs one model cannot both be done where they cannot be merged."""
    core = (*(m.technique for m in makers), *(m.technique for m in takers))
    return Ordered(core=core, why=f"{MERGER} is needed between them and not possible: {refused.because}")


def _merger(situation: Situation, takers: list[Member]) -> Member | Rejection:
    """The merge of an adapter into its model, as a member, or why it is not possible here."""
    if MERGER not in situation.knowledge.by_id:
        return Rejection(technique=MERGER, because="it is not among the techniques known")
    technique = situation.knowledge.technique(MERGER)
    found = situation.examiner.examine(technique, situation.facts)
    if isinstance(found, Rejection):
        return found
    who = takers[0].technique if takers else "the step after it"
    text = f"{who} needs one model: the adapter is folded into the 16-bit weights first."
    because = Reason(text=text, source="000 golden ordering")
    return Member(part_of(technique), found, (because,), slot="merge-adapter")
