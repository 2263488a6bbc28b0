"""The choice: rules open slots and score what is feasible; the best of each slot is taken, the reasons are kept.

Which candidates are feasible comes from `eligibility`; the order of what is chosen from `order`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from advisor.domain.facts import Facts
from advisor.domain.knowledge import Knowledge
from advisor.domain.recommendation import Reason, Rejection
from advisor.domain.record import record
from advisor.domain.rule import Rule
from advisor.engine.conditions import holds
from advisor.engine.eligibility import Candidate, Examiner

TIGHT_PENALTY = 1.5
"""Points a technique loses when it only just fits: enough for LoRA to fall behind QLoRA, and for nothing else."""
TOO_FEW_BITS, TOO_FEW_PENALTY = 2, 4.0
"""Bits at which a format that mixes its types goes before GPTQ, and the points that outweigh its kernels (3)."""
_MAY_BE_TIGHT = frozenset({"qlora"})
"""Made for tight memory; there is nothing leaner to prefer."""
PLACE = 0.01
"""Points by which an earlier offer of the same slot is ahead: settles ties as the rule lists them."""


@record
class Scored:
    """A feasible candidate of a slot with its points and the reasons that gave them."""

    candidate: Candidate
    score: float
    reasons: tuple[Reason, ...]
    against: tuple[Reason, ...] = ()

    @property
    def technique(self) -> str:
        return self.candidate.technique.id


@dataclass(eq=False, repr=False)
class Slot:
    """One thing to fill: who is offered, and why it is open."""

    name: str
    is_optional: bool = True
    offers: dict[str, Reason] = field(default_factory=dict)
    ranked: list[Scored] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)


@dataclass(eq=False, repr=False)
class Choice:
    """All slots of a situation, filled as far as possible, and the rules that fired."""

    slots: list[Slot]
    fired: list[Rule]

    @property
    def chosen(self) -> list[tuple[Slot, Scored]]:
        """The best of every slot, each technique once."""
        taken: dict[str, tuple[Slot, Scored]] = {}
        for slot in self.slots:
            if slot.ranked and slot.ranked[0].technique not in taken:
                taken[slot.ranked[0].technique] = (slot, slot.ranked[0])
        return list(taken.values())

    @property
    def unfilled(self) -> list[Slot]:
        """Slots that must be filled and cannot be."""
        return [slot for slot in self.slots if not slot.ranked and not slot.is_optional]

    @property
    def rejected(self) -> list[Rejection]:
        """Every refused candidate once, in the order the slots were opened."""
        known: dict[str, Rejection] = {}
        for slot in self.slots:
            for rejection in slot.rejected:
                known.setdefault(rejection.technique, rejection)
        return list(known.values())


def choose(knowledge: Knowledge, facts: Facts, examiner: Examiner) -> Choice:
    """Open the slots, examine what they offer, and rank what is feasible."""
    fired = [rule for rule in knowledge.rules if holds(rule.when, facts)]
    slots = _asked(knowledge, facts) or _open(fired)
    excluded = {t: rule for rule in fired if rule.effect == "exclude" for t in rule.techniques if t not in facts.use}
    examined: dict[str, Candidate | Rejection] = {}
    for slot in slots.values():
        for place, (technique_id, why_offered) in enumerate(slot.offers.items()):
            if technique_id not in examined:
                examined[technique_id] = _judge(knowledge, facts, examiner, technique_id, excluded)
            found = examined[technique_id]
            if isinstance(found, Rejection):
                slot.rejected.append(found)
            else:
                slot.ranked.append(_score(found, why_offered, place, fired))
        slot.ranked.sort(key=lambda scored: -scored.score)
    choice = Choice(list(slots.values()), fired)
    _tell_exclusions(choice, excluded)
    return choice


def slots_of(knowledge: Knowledge, facts: Facts) -> frozenset[str]:
    """Names of the slots that these facts open, without examining anybody."""
    rules = (rule for rule in knowledge.rules if rule.effect == "choose")
    return frozenset(rule.slot for rule in rules if holds(rule.when, facts))


def _asked(knowledge: Knowledge, facts: Facts) -> dict[str, Slot]:
    """A slot for each step that the person names: the stack is made of these instead of what the rules offer."""
    wanted = [t for t in facts.use if knowledge.technique(t).role == "step"]
    reason = Reason(text="You asked for it.", source="answers use")
    return {t: Slot(f"use {t}", is_optional=False, offers={t: reason}) for t in wanted}


def _open(fired: list[Rule]) -> dict[str, Slot]:
    slots: dict[str, Slot] = {}
    for rule in fired:
        if rule.effect != "choose":
            continue
        slot = slots.setdefault(rule.slot, Slot(rule.slot))
        slot.is_optional = slot.is_optional and rule.optional
        for technique_id in rule.techniques:
            slot.offers.setdefault(technique_id, Reason(text=rule.because, source=rule.source))
    return slots


def _judge(
    knowledge: Knowledge, facts: Facts, examiner: Examiner, technique_id: str, excluded: dict[str, Rule]
) -> Candidate | Rejection:
    if technique_id in excluded:
        rule = excluded[technique_id]
        return Rejection(technique=technique_id, because=rule.because, source=rule.source)
    return examiner.examine(knowledge.technique(technique_id), facts)


def _score(candidate: Candidate, why_offered: Reason, place: int, fired: list[Rule]) -> Scored:
    score, reasons, against = -PLACE * place, [why_offered], []
    for rule in fired:
        if rule.effect in ("favor", "disfavor") and candidate.technique.id in rule.techniques:
            reason = Reason(text=rule.because, source=rule.source)
            if rule.effect == "favor":
                score += rule.weight
                reasons.append(reason)
            else:
                score -= rule.weight
                against.append(reason)
    if candidate.is_tight and candidate.technique.id not in _MAY_BE_TIGHT and candidate.fit is not None:
        score -= TIGHT_PENALTY
        text = f"It only just fits: {candidate.fit.peak_gib:.1f} of {candidate.fit.free_gib:.1f} GiB at the leanest."
        against.append(Reason(text=text, source="advisor memory estimate"))
    if candidate.technique.id == "gptq" and candidate.config.get("bits") == TOO_FEW_BITS:
        score -= TOO_FEW_PENALTY
        text = (
            "Two bits for every weight lose most of a model; GGUF's types of about two bits spend more where it counts."
        )
        against.append(Reason(text=text, source="llama.cpp k-quants, pull request 1684"))
    return Scored(candidate, score, tuple(dict.fromkeys(reasons)), tuple(against))


def _tell_exclusions(choice: Choice, excluded: dict[str, Rule]) -> None:
    """What some rules rule out is told even where no slot offered it."""
    offered = {technique for slot in choice.slots for technique in slot.offers}
    rest = Slot("ruled-out", is_optional=True)
    for technique_id, rule in excluded.items():
        if rule.tell and technique_id not in offered:
            rest.rejected.append(Rejection(technique=technique_id, because=rule.because, source=rule.source))
    if rest.rejected:
        choice.slots.append(rest)
