"""Checks of the questions and of the vocabularies their answers come from."""

from __future__ import annotations

import typing
from collections.abc import Iterator

from pydantic import BaseModel, ValidationError

from advisor.domain import answers as said
from advisor.domain.errors import Severity
from advisor.domain.knowledge import Knowledge
from advisor.domain.tree import DecisionTree, Question
from advisor.domain.words import ActsOn, ArtifactKind, DataKind, Family, Goal, Need, Reach, Verdict
from advisor.files.validate import did_you_mean
from advisor.knowledge.finding import Finding

WORDS: dict[str, tuple[str, ...]] = {
    "families": tuple(Family),
    "verdicts": tuple(Verdict),
    "reach": tuple(Reach),
    "acts_on": tuple(ActsOn),
    "artifact_kinds": tuple(ArtifactKind),
    "goals": tuple(Goal),
    "data_kinds": tuple(DataKind),
    "needs": tuple(Need),
    "severities": tuple(Severity),
    "knowledge": typing.get_args(said.Knowledge_),
    "static_choices": typing.get_args(said.StaticChoice),
    "behaviors": typing.get_args(said.Behavior),
    "compute": typing.get_args(said.Compute),
    "optimize_for": typing.get_args(said.OptimizeFor),
    "expansions": typing.get_args(said.Expansion),
    "tasks": typing.get_args(said.Task),
    "model_kinds": typing.get_args(said.ModelKind),
    "serve_targets": typing.get_args(said.ServeTarget),
    "serve_bits": ("16", "8", "4", "3", "2"),
}
"""The words of each vocabulary as the domain types hold them."""


def vocabulary(knowledge: Knowledge) -> Iterator[Finding]:
    """The vocabulary file holds exactly the words of the domain, each with a label of its own."""
    for name in sorted(WORDS.keys() | knowledge.vocabulary.keys()):
        path = f"vocabulary.yaml {name}"
        labels = knowledge.vocabulary.get(name, {})
        known = {str(word) for word in WORDS.get(name, ())}
        for word in sorted(known - labels.keys()):
            yield Finding(level="error", path=path, message=f"{word!r} has no label", tip="add it")
        for word in sorted(labels.keys() - known):
            yield Finding(level="error", path=path, message=f"{word!r} is no word", tip=did_you_mean(word, known))
        if len(set(labels.values())) < len(labels):
            yield Finding(level="error", path=path, message="two words share a label", tip="tell them apart")


def links(tree: DecisionTree) -> Iterator[Finding]:
    """Every link leads to a question, and every question is reached from the root."""
    known = {question.id: question for question in tree.questions}
    for question in tree.questions:
        for target in _targets(question):
            if target not in known:
                message = f"it leads to {target!r}, which does not exist"
                path = f"questions.yaml {question.id}"
                yield Finding(level="error", path=path, message=message, tip=did_you_mean(target, known))
    reached: set[str] = set()
    waiting = [tree.root]
    while waiting:
        here = waiting.pop()
        if here in known and here not in reached:
            reached.add(here)
            waiting += _targets(known[here])
    for question_id in sorted(known.keys() - reached):
        tip = "link to it from a question before it"
        yield Finding(level="error", path=f"questions.yaml {question_id}", message="it is never reached", tip=tip)


def _targets(question: Question) -> list[str]:
    choices = [target for choice in question.choices for target in (choice.next, choice.opens)]
    return [target for target in (question.next, *choices) if target]


def keys(tree: DecisionTree) -> Iterator[Finding]:
    """Every question fills a key of the answers file, with values that the key may hold."""
    for question in tree.questions:
        path = f"questions.yaml {question.id}"
        if not _exists(question.key):
            message = f"the answers file has no key {question.key!r}"
            yield Finding(level="error", path=path, message=message, tip=did_you_mean(question.key, _all_keys()))
            continue
        values = [choice.value for choice in question.choices]
        if question.default is not None:
            values.append(question.default)
        for value in values:
            if not _is_valid(question, value):
                message = f"{question.key} may not be {value!r}"
                yield Finding(level="error", path=path, message=message, tip="see advisor schema answers")


def _exists(key: str) -> bool:
    return key in _all_keys()


def _all_keys() -> list[str]:
    found = []
    for name, field in said.Answers.model_fields.items():
        inner = _model_of(field.annotation)
        found.append(field.alias or name)
        found += [f"{name}.{key}" for key in inner.model_fields] if inner else []
    return found


def _model_of(annotation: object) -> type[BaseModel] | None:
    candidates = (annotation, *typing.get_args(annotation))
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)


def _is_valid(question: Question, value: object) -> bool:
    *parents, key = question.key.split(".")
    answer: dict[str, object] = {key: [value] if question.kind == "many" else value}
    for parent in reversed(parents):
        answer = {parent: answer}
    try:
        said.Answers.model_validate({"goal": "optimize", **answer})
    except ValidationError:
        return False
    return True
