"""Warnings: what remains wrong or open with an ordered stack, each with its fix and sources.

Pairs come from the interactions, disagreements from their own file, the rest from rules. Nothing is repaired here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from advisor.domain.errors import Severity
from advisor.domain.interaction import Disagreement, Interaction
from advisor.domain.recommendation import StackWarning
from advisor.domain.rule import Rule
from advisor.domain.words import Family, Verdict
from advisor.engine.conditions import holds
from advisor.engine.interactions import Judge
from advisor.engine.parts import Part
from advisor.engine.stack import Situation

_TROUBLE = (Verdict.BAD, Verdict.IMPOSSIBLE, Verdict.CONDITIONAL)
_LOSSY = (Family.PRUNE, Family.DISTILL, Family.QUANTIZE, Family.MERGE)
_RANK = {Severity.DANGER: 0, Severity.WARNING: 1, Severity.INFO: 2}
OTHER_PROFILE = {"default": "source-matrix", "source-matrix": "default"}


def warn(
    situation: Situation, order: Sequence[Part], fired: Sequence[Rule], considered: frozenset[Family]
) -> tuple[StackWarning, ...]:
    """Every warning on this order, the gravest first. `considered`: families with a candidate, chosen or not."""
    found = [
        *pair_warnings(order, situation.judge),
        *_profile_differences(situation, order),
        *_rule_warnings(order, fired),
        *_compounding(order),
        *_disagreements(situation, order, considered),
    ]
    known = {(w.code, w.first, w.then): w for w in reversed(found)}
    return tuple(sorted(reversed(known.values()), key=lambda w: _RANK[w.severity]))


def pair_warnings(order: Sequence[Part], judge: Judge) -> Iterator[StackWarning]:
    """One warning per pair whose verdict is not plainly good."""
    for i, j in combinations(range(len(order)), 2):
        entry = judge.between(order[i], order[j], j == i + 1)
        if entry is None or entry.verdict not in _TROUBLE:
            continue
        yield StackWarning(
            severity=_severity(entry),
            code=entry.id,
            first=entry.first.value,
            then=entry.then.value,
            text=_pair_text(order[i], order[j], entry),
            fix=entry.fix,
            sources=tuple(dict.fromkeys((*entry.sources, *(e.source for e in entry.evidence)))),
        )


def _severity(entry: Interaction) -> Severity:
    if entry.verdict is Verdict.IMPOSSIBLE:
        return Severity.DANGER
    if entry.verdict is Verdict.BAD and entry.severity is Severity.INFO:
        return Severity.WARNING
    return entry.severity


def _pair_text(first: Part, then: Part, entry: Interaction) -> str:
    text = f"{first.technique} then {then.technique}: {entry.because}"
    if entry.verdict is Verdict.CONDITIONAL and entry.condition:
        text += f" It depends: {_lower(entry.condition)}"
    if entry.disputed_text:
        text += f" Disputed: {entry.disputed_text}"
    return text


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _profile_differences(situation: Situation, order: Sequence[Part]) -> Iterator[StackWarning]:
    """Pairs that the other profile judges as trouble and this one does not."""
    other_id = OTHER_PROFILE.get(situation.profile)
    if other_id is None or all(p.id != other_id for p in situation.knowledge.profiles):
        return
    other = Judge(situation.knowledge.profile(other_id), situation.facts)
    for i, j in combinations(range(len(order)), 2):
        here = situation.judge.between(order[i], order[j], j == i + 1)
        there = other.between(order[i], order[j], True)
        if there is None or there.verdict not in (Verdict.BAD, Verdict.IMPOSSIBLE):
            continue
        if here is not None and here.verdict in (Verdict.BAD, Verdict.IMPOSSIBLE):
            continue
        verdict = here.verdict.value if here is not None else "fine at this distance"
        reason = f": {here.because}" if here is not None else "."
        yield StackWarning(
            severity=Severity.INFO,
            code=f"profile-{other_id}-{there.id}",
            first=there.first.value,
            then=there.then.value,
            text=(
                f"The profile {other_id} calls {order[i].technique} then {order[j].technique} {there.verdict.value}: "
                f"{there.because} Taken here as {verdict}{reason}"
            ),
            fix=there.fix,
            sources=tuple(dict.fromkeys((*there.sources, *(here.sources if here is not None else ())))),
        )


def _rule_warnings(order: Sequence[Part], fired: Sequence[Rule]) -> Iterator[StackWarning]:
    present = {part.technique: part for part in order}
    for rule in fired:
        if rule.effect != "warn":
            continue
        concerned = [present[t] for t in rule.techniques if t in present]
        if concerned or not rule.techniques:
            yield StackWarning(
                severity=rule.severity,
                code=rule.id,
                first=concerned[0].family.value if concerned else "",
                text=rule.because,
                fix=rule.fix,
                sources=(rule.source,),
            )


def _compounding(order: Sequence[Part]) -> Iterator[StackWarning]:
    lossy = [p for p in order if p.family in _LOSSY and p.technique != "adapter-merge"]
    if len(lossy) > 1:
        yield StackWarning(
            severity=Severity.INFO,
            code="compounding-error",
            first=lossy[0].family.value,
            then=lossy[-1].family.value,
            text=(
                f"{len(lossy)} steps lose quality ({', '.join(p.technique for p in lossy)}), and losses compound: "
                "together they cost more than the sum of each alone."
            ),
            fix="Measure after every step, on the task itself, and calibrate on data of the step before.",
            sources=("001 compounding effects", "004 §4e"),
        )


def _disagreements(
    situation: Situation, order: Sequence[Part], considered: frozenset[Family]
) -> Iterator[StackWarning]:
    families, techniques = {part.family for part in order}, {part.technique for part in order}
    for entry in situation.knowledge.disagreements:
        if not families.intersection(entry.families) or not (families | considered).issuperset(entry.families):
            continue
        if entry.techniques and not techniques.intersection(entry.techniques):
            continue
        if not holds(entry.when, situation.facts):
            continue
        yield StackWarning(
            severity=Severity.INFO,
            code=entry.id,
            first=entry.families[0].value,
            then=entry.families[1].value if len(entry.families) > 1 else "",
            text=_disagreement_text(entry),
            fix=entry.measurable,
            sources=tuple(dict.fromkeys(side.source for side in entry.sides)),
        )


def _disagreement_text(entry: Disagreement) -> str:
    sides = " | ".join(f"{side.source}: {side.text}" for side in entry.sides)
    return f"Sources disagree: {entry.question} {sides} Taken: {entry.taken} {entry.because}"
