"""A stack in a given order, judged: entries with reasons and estimates, what accompanies them, warnings, the chain.

Both the engine's own advice and a stack that a person put together end here. Nothing is chosen or reordered.
"""

from __future__ import annotations

from collections.abc import Sequence

from advisor.domain.errors import AdvisorError, Severity
from advisor.domain.facts import Facts
from advisor.domain.recommendation import Reason, Recommendation, Rejection, StackEntry, StackWarning, Support
from advisor.domain.rule import Rule
from advisor.domain.technique import Technique
from advisor.domain.words import MEASURED, ArtifactKind, Family, Verdict
from advisor.engine import serving, sharing
from advisor.engine.compile import compile_plan
from advisor.engine.conditions import holds
from advisor.engine.contradicted import contradictions
from advisor.engine.estimate.chain import estimate_chain
from advisor.engine.learned_data import gives_way
from advisor.engine.order import explain, first_break
from advisor.engine.parts import after, part_of
from advisor.engine.placed import Placement, place
from advisor.engine.runnable import why_not
from advisor.engine.shortage import shortages
from advisor.engine.stack import Assembled, Member, Situation
from advisor.engine.unread import unread
from advisor.engine.walk import walked
from advisor.engine.wanted import told
from advisor.engine.warnings import warn

PIPELINES: dict[tuple[Family, ...], str] = {
    (Family.PRUNE, Family.DISTILL, Family.QUANTIZE): "prune-distill-quantize",
    (Family.PRUNE, Family.QUANTIZE): "prune-quantize",
    (Family.DISTILL, Family.QUANTIZE): "distill-quantize",
}
"""Combined pipelines of source 004, section 4e, by the compressing families in their order."""


def judged(
    situation: Situation, members: Sequence[Member], fired: Sequence[Rule], considered: frozenset[Family]
) -> Recommendation:
    """The recommendation for these members in this order, without alternatives and flips."""
    order = [member.part for member in members]
    entries = _entries(situation, members)
    supports = _supports(situation, members, fired)
    chain = estimate_chain([entry.estimate for entry in entries], *_measured(situation, entries, supports))
    return Recommendation.model_construct(
        feasible=bool(members),
        stack=entries,
        supports=supports,
        warnings=(*shortages(chain, situation.facts), *warn(situation, order, fired, considered)),
        order=explain(order, situation.judge),
        facts=dumped(situation.facts),
        defaults=situation.facts.defaults,
        path=walked(situation.knowledge.tree, situation.facts),
        pipeline=pipeline_of(members),
        chain=chain,
    )


def _measured(
    situation: Situation, entries: tuple[StackEntry, ...], supports: tuple[Support, ...]
) -> tuple[int, float]:
    """How often the plan of the stack measures the model, the baseline included, and the seconds of one time.

    A model that nobody named yet is taken as named.
    """
    facts = situation.facts
    named = facts if facts.model_path or facts.model_id else facts.model_copy(update={"model_id": "model"})
    draft = Recommendation.model_construct(feasible=bool(entries), stack=entries, supports=supports)
    try:
        plan = compile_plan(draft, situation.knowledge, named)
    except AdvisorError:
        return 0, 0.0
    count = sum(step.produces in MEASURED for step in plan.steps)
    if not count or plan.evaluation.seconds is None:
        return 0, 0.0
    return count + 1, plan.evaluation.seconds.expected


def _entries(situation: Situation, members: Sequence[Member]) -> tuple[StackEntry, ...]:
    """The members as the report shows them, each after those that are run before it."""
    found, state = [], situation.start
    for member in members:
        entry = entry_of(member, situation.facts, state.kind)
        found.append(entry)
        if entry.executable and not entry.not_yet:
            state = after(state, member.part) or state
    return tuple(found)


def entry_of(member: Member, facts: Facts, start: ArtifactKind) -> StackEntry:
    """A member as the report shows it; `start`: what the steps before it leave of the model."""
    technique, config = member.candidate.technique, member.candidate.config
    is_executable = technique.is_executable and serving.is_written_here(config)
    return StackEntry.model_construct(
        technique=technique.id,
        name=technique.name,
        family=technique.family,
        acts_on=member.part.acts_on,
        executable=is_executable,
        not_yet=why_not(config, technique, facts, start) if is_executable else "",
        because=member.reasons,
        estimate=member.candidate.estimate,
        config=config,
    )


def pipeline_of(members: Sequence[Member]) -> str:
    """The name of the compressing part of a stack, where it has one."""
    families = tuple(m.part.family for m in members if m.part.family in (Family.PRUNE, Family.DISTILL, Family.QUANTIZE))
    return PIPELINES.get(families, "")


def dumped(facts: Facts) -> dict[str, object]:
    """Facts for the report: what is known, and nothing that is told elsewhere."""
    return {
        name: value
        for name in Facts.model_fields
        if name not in ("defaults", "contradicted", "model_shape")
        and (value := getattr(facts, name)) not in (None, (), "")
    }


def _supports(situation: Situation, members: Sequence[Member], fired: Sequence[Rule]) -> tuple[Support, ...]:
    inside = {member.technique for member in members}
    found: dict[str, list[Reason]] = {}
    for member in members:
        carrier = member.candidate.carrier
        if carrier is not None and carrier != member.technique and carrier not in inside:
            text = f"{member.candidate.technique.name} is trained through it, in the memory there is."
            found.setdefault(carrier, []).append(Reason(text=text, source="004 §3c"))
        for measure in member.candidate.measures:
            reason = Reason(text=f"{member.technique}: {measure.text}", source="advisor memory estimate")
            found.setdefault(measure.technique, []).append(reason)
    for technique_id in situation.facts.use:
        technique = situation.knowledge.technique(technique_id)
        if technique.role == "support" and _accompanies(technique, situation.facts, members):
            found.setdefault(technique_id, []).append(Reason(text="You asked for it.", source="answers use"))
    for rule in fired:
        if rule.effect == "support" and (not rule.beside or inside.intersection(rule.beside)):
            for technique_id in rule.techniques:
                found.setdefault(technique_id, []).append(Reason(text=rule.because, source=rule.source))
    return tuple(
        Support(technique=t, name=situation.knowledge.technique(t).name, because=tuple(reasons))
        for t, reasons in found.items()
        if t not in inside
    )


def _accompanies(technique: Technique, facts: Facts, members: Sequence[Member]) -> bool:
    """Whether a support that was asked for is possible, and there is a step that it can accompany or share."""
    if any(not holds(requirement.condition, facts) for requirement in technique.requires):
        return False
    stack = [(member.candidate.config, member.candidate.technique) for member in members]
    if technique.id not in sharing.BY_NAME:
        trained = [each for _, each in stack if each.executor in sharing.TRAINERS]
        return not trained or not all(gives_way(technique.id, each) for each in trained)
    return technique.id == sharing.support(facts) and not sharing.why_none(stack, facts)


def evaluate_steps(situation: Situation, steps: Sequence[Placement]) -> Recommendation:
    """A stack that a person put together, judged in the order given.

    A step that does not fit or cannot follow the ones before it becomes a warning of severity `danger`, and makes the
    stack infeasible, as an impossible pair does. Raises AdvisorError for an unknown technique, or a setting that
    cannot be estimated.
    """
    knowledge, facts = situation.knowledge, situation.facts
    members, faults = [], []
    for step in steps:
        if step.technique not in knowledge.by_id:
            raise AdvisorError(f"{step.technique!r} is no technique", hint="advisor techniques lists them")
        technique = knowledge.technique(step.technique)
        candidate, rejection = place(situation.examiner, technique, facts, step.settings)
        if rejection is not None:
            faults.append(_misfit(technique.family, rejection))
        members.append(Member(part_of(technique, candidate.config), candidate, step.because))
    broken = first_break([member.part for member in members], situation.start)
    if broken is not None:
        faults.append(_break(members[broken[0]], broken[1]))
    fired = [rule for rule in knowledge.rules if holds(rule.when, facts)]
    families = frozenset(member.part.family for member in members)
    result = judged(situation, members, fired, families)
    is_ruled_out = any(pair.verdict == Verdict.IMPOSSIBLE for pair in result.order)
    feasible = bool(members) and not faults and not is_ruled_out
    missed = on_answers(situation, Assembled(tuple(members)), result)
    return result.model_copy(update={"feasible": feasible, "warnings": (*faults, *missed, *result.warnings)})


def on_answers(situation: Situation, assembled: Assembled, found: Recommendation) -> tuple[StackWarning, ...]:
    """What was asked for and is not done, what was said and is not read, and what is contradicted by what is there."""
    knowledge, facts = situation.knowledge, situation.facts
    return (*told(knowledge, facts, assembled), *unread(knowledge, facts, found), *contradictions(facts))


def _misfit(family: Family, found: Rejection) -> StackWarning:
    return StackWarning(
        severity=Severity.DANGER,
        code="not-possible-here",
        first=family.value,
        text=f"{found.technique}: {found.because}",
        fix="Take another technique of the same family, or drop the step.",
        sources=(found.source,) if found.source else (),
    )


def _break(member: Member, why: str) -> StackWarning:
    return StackWarning(
        severity=Severity.DANGER,
        code="chain-breaks",
        first=member.part.family.value,
        text=f"{why}.",
        fix="Move the step to where its input exists, or insert what it needs.",
    )
