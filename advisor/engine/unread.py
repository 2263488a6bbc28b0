"""Answers about the data that nothing in the stack reads, told with what would read them."""

from __future__ import annotations

from collections.abc import Iterator

from advisor.domain.errors import Severity
from advisor.domain.facts import Facts
from advisor.domain.knowledge import Knowledge
from advisor.domain.recommendation import Recommendation, StackWarning
from advisor.domain.technique import Technique
from advisor.engine import learned_data

CODE = "answer-not-read"
_QUALITY = "data-quality"
_COMPARED = ("data.then", "data.documents")
"""What `advisor compare` makes arms of, too."""


def unread(knowledge: Knowledge, facts: Facts, found: Recommendation) -> tuple[StackWarning, ...]:
    """A warning for each answer about further data, language or date that no step of the recommendation reads."""
    techniques = {entry.technique: knowledge.technique(entry.technique) for entry in found.stack}
    prepared = (knowledge.technique(each) for each in learned_data.prepared_by(found, knowledge, facts))
    at_work = {*techniques, *(each.id for each in prepared if not learned_data.why_not_prepared(each, facts))}
    is_trained = any(learned_data.is_training(technique) for technique in techniques.values())
    return tuple(_missed(knowledge, facts, at_work, is_trained))


def _missed(knowledge: Knowledge, facts: Facts, at_work: set[str], is_trained: bool) -> Iterator[StackWarning]:
    for key, value in _said(facts).items():
        if value is None:
            continue
        readers = [technique.id for technique in knowledge.techniques if _reads(key, technique)]
        if at_work.intersection(readers):
            continue
        if key == "data.general" and is_trained:
            text = "data.general is not mixed into the training: its held-out part only measures what is forgotten."
            why_not = learned_data.why_not_prepared(knowledge.technique(learned_data.MIXING), facts)
            fix = f"It cannot be: {why_not}" if why_not else f"Add {learned_data.MIXING} to use to mix it in."
            yield _warning(Severity.INFO, text, fix)
            continue
        others = " `advisor compare` reads it, too." if key in _COMPARED else ""
        fix = f"It is read by {', '.join(readers)}; leave it out otherwise.{others}"
        yield _warning(Severity.WARNING, f"{key}: {value} is read by no step of the stack.", fix)


def _said(facts: Facts) -> dict[str, str | None]:
    return {
        "data.general": facts.data_general_path,
        "data.then": facts.data_then_path,
        "data.documents": facts.data_documents,
        "data.language": facts.data_language,
        "data.cutoff": facts.data_cutoff,
    }


def _reads(key: str, technique: Technique) -> bool:
    """Whether a technique that is at work reads this answer."""
    recipe = technique.data.recipe.name if technique.data is not None and technique.data.recipe is not None else ""
    found = {
        "data.general": technique.id == learned_data.MIXING,
        "data.then": technique.then is not None,
        "data.documents": recipe in learned_data.WITH_PASSAGES,
        "data.language": recipe in learned_data.OF_LANGUAGES or technique.id == _QUALITY,
        "data.cutoff": recipe == "dated" or technique.id == learned_data.TEMPORAL,
    }
    return found[key]


def _warning(severity: Severity, text: str, fix: str) -> StackWarning:
    return StackWarning(severity=severity, code=CODE, text=text, fix=fix)
