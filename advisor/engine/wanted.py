"""What a person asked for by name (`use`) and the stack does otherwise: told, so that nothing is dropped unsaid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from advisor.domain.errors import Severity
from advisor.domain.facts import Facts
from advisor.domain.knowledge import Knowledge
from advisor.domain.recommendation import StackWarning
from advisor.domain.technique import Requirement, Technique
from advisor.domain.words import ArtifactKind
from advisor.engine import learned_data, sharing
from advisor.engine.conditions import holds
from advisor.engine.stack import Assembled, Member

TOLD_IN_PLANS = (
    *("asked-for-not-possible", "asked-for-gives-way", "several-adapters"),
    *("answer-not-read", "answer-contradicted", "network-not-counted"),
)
"""Codes of the warnings that a plan repeats, since whoever reads only the plan would miss what was asked for."""


def misfit(technique: Technique, facts: Facts) -> Requirement | None:
    """The first requirement of a support that these facts do not meet."""
    return next((r for r in technique.requires if not holds(r.condition, facts)), None)


def told(knowledge: Knowledge, facts: Facts, assembled: Assembled) -> tuple[StackWarning, ...]:
    """A warning for each support that is not possible or gives way, for each step that gave way, and for several
    adapters one after another."""
    wanted = [knowledge.technique(technique_id) for technique_id in facts.use]
    supports = [technique for technique in wanted if technique.role == "support"]
    steps = [technique for technique in wanted if technique.role == "step"]
    return (
        *_supports(supports, facts),
        *_not_beside(supports, assembled.members),
        *_unshared(facts, assembled.members),
        *_not_taken(facts, assembled.members),
        *_between_machines(facts, assembled.members),
        *_given_way(steps, assembled),
        *(_adapters(assembled.members) if facts.use else ()),
    )


def _supports(supports: Sequence[Technique], facts: Facts) -> Iterator[StackWarning]:
    for technique in supports:
        is_done = technique.id in sharing.BY_NAME and sharing.is_asked(facts)  # by processes on a CPU, too
        failing = None if is_done else misfit(technique, facts)
        if failing is not None:
            text = f"{technique.name} was asked for and is left out: {failing.because}"
            yield _warning("asked-for-not-possible", text, failing.hint or "Leave it out of use.", failing.source)
        elif technique.id in sharing.BY_NAME and technique.id != sharing.support(facts):
            other = sharing.TITLES[sharing.kind(facts)]
            text = f"{technique.name} was asked for and gives way to {other}, which was asked for, too."
            yield _warning("asked-for-gives-way", text, "Take one of the two.", "")
        elif technique.id in sharing.BY_NAME and facts.train_sharding == "ddp":
            text = f"train.sharding: ddp was asked for and gives way to {technique.name}, which was asked for, too."
            yield _warning("asked-for-gives-way", text, "Take one of the two.", "")


def _not_beside(supports: Sequence[Technique], members: Sequence[Member]) -> Iterator[StackWarning]:
    """Supports that a step of the stack cannot have beside it."""
    for technique in supports:
        names = [m.technique for m in members if learned_data.gives_way(technique.id, m.candidate.technique)]
        if names:
            text = f"{technique.name} was asked for and is left out of {' and '.join(names)}: layers that are computed"
            text = f"{text} again lose the prefix."
            yield _warning("asked-for-not-possible", text, "Leave it out of use, or train with lora.", "")


def _unshared(facts: Facts, members: Sequence[Member]) -> Iterator[StackWarning]:
    """Sharding that was asked for where no step can be sharded, or `train.sharding` where there is one GPU."""
    if facts.train_sharding in sharing.TITLES and facts.has_gpu and facts.gpu_count * sharing.machines(facts) < 2:
        why = "there is nothing to shard over with one GPU."
    elif sharing.is_asked(facts):
        why = sharing.why_none([(m.candidate.config, m.candidate.technique) for m in members], facts)
    else:
        return
    if why:
        trained = "adamw or sgd" if sharing.kind(facts) == sharing.STATES_ALONE else "lora or full-sft"
        fix = f"Train with {trained} on several GPUs, or leave it out of use and train.sharding."
        text = f"{sharing.TITLES[sharing.kind(facts)]} was asked for and is left out: {why}"
        yield _warning("asked-for-not-possible", text, fix, "")


def _not_taken(facts: Facts, members: Sequence[Member]) -> Iterator[StackWarning]:
    """Settings of a fine-tuning: other trainings do not take them, nor does anything in a stack that trains nothing."""
    has_tuning = any(member.candidate.technique.executor in sharing.TRAINERS for member in members)
    without = [
        member.technique
        for member in members
        if member.candidate.technique.executor not in sharing.TRAINERS
        and (not has_tuning or learned_data.is_training(member.candidate.technique))
    ]
    if not without:
        return
    names = ", ".join(without)
    said = {
        "processes": facts.train_processes if (facts.train_processes or 1) > 1 else None,
        "machines": facts.train_machines,
        "sharding": "ddp" if facts.train_sharding == "ddp" else None,
        "optimizer": facts.train_optimizer,
    }
    for key, value in said.items():
        if value is not None:
            text = f"train.{key}: {value} was asked for and is left out of {names}: only a fine-tuning takes it."
            yield _warning("asked-for-not-possible", text, "Leave it out, or fine-tune (lora, full-sft, dora ...).", "")


def _between_machines(facts: Facts, members: Sequence[Member]) -> Iterator[StackWarning]:
    """What the estimates leave out of a training that several machines share."""
    shared = [m.technique for m in members if m.candidate.technique.executor in sharing.TRAINERS]
    if sharing.machines(facts) > 1 and shared:
        text = f"{sharing.machines(facts)} machines share {', '.join(shared)}; its estimate is that of one machine:"
        text = f"{text} neither what the others take over nor the time of the network between them is in it."
        fix = "The first steps of the run show its pace; over a slow network one machine may be faster."
        yield StackWarning(severity=Severity.INFO, code="network-not-counted", text=text, fix=fix, sources=())


def _given_way(steps: Sequence[Technique], assembled: Assembled) -> Iterator[StackWarning]:
    """Steps that could be done and cannot be done together with the others."""
    why = {rejection.technique: rejection.because for rejection in assembled.rejected}
    for technique in steps:
        if technique.id not in assembled.ids and why.get(technique.id, "").startswith("cannot be combined"):
            text = f"{technique.id} was asked for and gives way: it {why[technique.id]}"
            yield _warning("asked-for-gives-way", text, "Leave one of them out of use.", "")


def _adapters(members: Sequence[Member]) -> Iterator[StackWarning]:
    """Adapters trained one after another where no merge stands between them."""
    open_: list[str] = []
    for member in members:
        if member.part.folds_adapter:
            open_ = []
        elif member.part.produces is ArtifactKind.ADAPTER:
            open_.append(member.technique)
            if len(open_) > 1:
                text = f"{' and '.join(open_)} each train an adapter, the later one on what the earlier one left."
                fix = "One is enough for one set of data: leave the others out of use."
                yield _warning("several-adapters", text, fix, "")


def _warning(code: str, text: str, fix: str, source: str) -> StackWarning:
    return StackWarning(severity=Severity.WARNING, code=code, text=text, fix=fix, sources=(source,) if source else ())
