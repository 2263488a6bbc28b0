"""Checks that whatever an entry names exists: sources, techniques, facts, and the words a condition compares with."""

from __future__ import annotations

from collections.abc import Iterator

from advisor.domain.facts import Facts
from advisor.domain.knowledge import Knowledge
from advisor.files.validate import did_you_mean
from advisor.knowledge import entries
from advisor.knowledge.finding import Finding

FACT_WORDS = {
    "goal": "goals",
    "also": "goals",
    "goals": "goals",
    "knowledge": "knowledge",
    "static_choice": "static_choices",
    "behavior": "behaviors",
    "compute": "compute",
    "optimize_for": "optimize_for",
    "expansion": "expansions",
    "task": "tasks",
    "model_kind": "model_kinds",
    "data_kind": "data_kinds",
    "serve_target": "serve_targets",
    "serve_bits": "serve_bits",
    "needs": "needs",
}
"""The vocabulary that a fact takes its values from."""


def sources(knowledge: Knowledge) -> Iterator[Finding]:
    """Every reference names a declared source, and a place in it."""
    declared = {source.id for source in knowledge.sources}
    placed = ((path, reference, True) for path, reference in entries.source_references(knowledge))
    rows = ((path, reference, False) for path, reference in entries.catalog_references(knowledge))
    for path, reference, needs_place in (*placed, *rows):
        name, _, where = reference.partition(" ")
        if name not in declared:
            tip = "declare it in sources.yaml" + did_you_mean(name, declared)
            yield Finding(level="error", path=path, message=f"no source is called {name!r}", tip=tip)
        elif needs_place and not where:
            tip = "say where in it, e.g. '004 §3c'"
            yield Finding(level="warning", path=path, message=f"{reference!r} names no place in the source", tip=tip)


def techniques(knowledge: Knowledge) -> Iterator[Finding]:
    """Every technique that is named exists and has the family it is named under."""
    for path, technique_id, family in entries.technique_references(knowledge):
        technique = knowledge.by_id.get(technique_id)
        if technique is None:
            message = f"no technique is called {technique_id!r}"
            yield Finding(level="error", path=path, message=message, tip=did_you_mean(technique_id, knowledge.by_id))
        elif family is not None and technique.family is not family:
            message = f"{technique_id!r} belongs to {technique.family}, not to {family}"
            yield Finding(level="error", path=path, message=message, tip="such an entry can never apply")


def conditions(knowledge: Knowledge) -> Iterator[Finding]:
    """Every condition tests a field of `Facts`, with words that the field can hold."""
    for path, condition in entries.conditions(knowledge):
        fact = str(condition.fact)
        if fact not in Facts.model_fields:
            tip = did_you_mean(fact, Facts.model_fields)
            yield Finding(level="error", path=path, message=f"no fact is called {fact!r}", tip=tip)
            continue
        words = knowledge.vocabulary.get(FACT_WORDS.get(fact, ""))
        for value in condition.one_of or ():
            if words is not None and str(value) not in words:
                message = f"{fact} is never {value!r}"
                yield Finding(level="error", path=path, message=message, tip=did_you_mean(str(value), words))
