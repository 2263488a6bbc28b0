"""Walk over the knowledge: every source, technique and condition that is named, each with the path of its entry."""

from __future__ import annotations

from collections.abc import Iterator

from advisor.domain.condition import Condition
from advisor.domain.knowledge import Knowledge
from advisor.domain.words import Family


def source_references(knowledge: Knowledge) -> Iterator[tuple[str, str]]:
    """Every reference `<source id> <where>` with the path of the entry that makes it."""
    for technique in knowledge.techniques:
        path = f"techniques/{technique.id}.yaml"
        made = [*technique.sources, *(e.source for e in technique.evidence)]
        made += [s.source for s in technique.settings] + [r.source for r in technique.requires]
        yield from ((path, reference) for reference in made if reference)
    for profile in knowledge.profiles:
        for entry in profile.interactions:
            made = [*entry.sources, *entry.disputed_by, *(e.source for e in entry.evidence)]
            yield from ((f"interactions.yaml {profile.id}/{entry.id}", reference) for reference in made)
    for question in knowledge.tree.questions:
        made = [*question.sources, *(reference for choice in question.choices for reference in choice.sources)]
        yield from ((f"questions.yaml {question.id}", reference) for reference in made)
    yield from ((f"orders.yaml {order.id}", reference) for order in knowledge.orders for reference in order.sources)
    yield from ((f"disagreements.yaml {d.id}", side.source) for d in knowledge.disagreements for side in d.sides)
    yield from ((f"rules.yaml {rule.id}", rule.source) for rule in knowledge.rules)
    yield from ((f"practices.yaml {p.id}", reference) for p in knowledge.practices for reference in p.sources)


def catalog_references(knowledge: Knowledge) -> Iterator[tuple[str, str]]:
    """Every source of a catalogue row; the row itself is the place."""
    yield from ((f"catalog/gpus.yaml {gpu.name}", gpu.source) for gpu in knowledge.catalog.gpus if gpu.source)
    yield from ((f"catalog/models.yaml {m.ids[0]}", m.source) for m in knowledge.catalog.models if m.source)


def technique_references(knowledge: Knowledge) -> Iterator[tuple[str, str, Family | None]]:
    """Every technique id that an entry names, with the family it must have there (None: any)."""
    for question in knowledge.tree.questions:
        for choice in question.choices:
            yield from ((f"questions.yaml {question.id}={choice.value}", t, None) for t in choice.techniques)
    for rule in knowledge.rules:
        yield from ((f"rules.yaml {rule.id}", technique, None) for technique in (*rule.techniques, *rule.beside))
    for disagreement in knowledge.disagreements:
        yield from ((f"disagreements.yaml {disagreement.id}", technique, None) for technique in disagreement.techniques)
    for practice in knowledge.practices:
        yield from ((f"practices.yaml {practice.id}", technique, None) for technique in practice.techniques)
    for profile in knowledge.profiles:
        for entry in profile.interactions:
            path = f"interactions.yaml {profile.id}/{entry.id}"
            yield from ((path, technique, entry.first) for technique in entry.first_techniques)
            yield from ((path, technique, entry.then) for technique in entry.then_techniques)
            if entry.rewrite is not None and entry.rewrite.technique is not None:
                yield path, entry.rewrite.technique, None


def conditions(knowledge: Knowledge) -> Iterator[tuple[str, Condition]]:
    """Every condition, groups taken apart, with the path of its entry."""
    for path, condition in _whole_conditions(knowledge):
        if condition is not None:
            yield from ((path, part) for part in _parts(condition))


def _whole_conditions(knowledge: Knowledge) -> Iterator[tuple[str, Condition | None]]:
    for question in knowledge.tree.questions:
        yield f"questions.yaml {question.id}", question.ask_when
        for choice in question.choices:
            yield f"questions.yaml {question.id}={choice.value}", choice.suggested_when
    for profile in knowledge.profiles:
        for entry in profile.interactions:
            yield f"interactions.yaml {profile.id}/{entry.id}", entry.when
    for rule in knowledge.rules:
        yield f"rules.yaml {rule.id}", rule.when
    for disagreement in knowledge.disagreements:
        yield f"disagreements.yaml {disagreement.id}", disagreement.when
    for technique in knowledge.techniques:
        for requirement in technique.requires:
            yield f"techniques/{technique.id}.yaml", requirement.condition


def _parts(condition: Condition) -> Iterator[Condition]:
    if condition.fact is not None:
        yield condition
    for part in (*condition.all, *condition.any, *condition.none):
        yield from _parts(part)
