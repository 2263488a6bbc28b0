"""The walk through the decision tree: which question comes next, and every way through.

Answers are `question id -> value`. The walk judges nothing: what an answer opens is decided by rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

from advisor.domain.facts import Facts
from advisor.domain.tree import Choice, DecisionTree, Question
from advisor.engine.conditions import holds

Answered = Mapping[str, Any]


def chosen(question: Question, answers: Answered) -> Choice | None:
    """The choice that an answer stands for; None when it is not answered, or not by one choice."""
    if question.id not in answers:
        return None
    value = answers[question.id]
    return next((choice for choice in question.choices if choice.value == value), None)


def follow(tree: DecisionTree, question: Question, choice: Choice | None) -> Question | None:
    """The question an answer leads to; None at the end of the walk."""
    following = choice.next if choice is not None and choice.next else question.next
    return tree.question(following) if following else None


def visit(tree: DecisionTree, answers: Answered, facts: Facts | None = None) -> Iterator[tuple[Question, bool]]:
    """The questions on the way, each with whether it is answered, up to the first one that is not.

    A question whose `ask_when` does not hold is passed over. Without facts, the answers alone decide that.
    """
    question: Question | None = tree.question(tree.root)
    seen: set[str] = set()
    facts = facts or facts_said(tree, answers)
    while question is not None and question.id not in seen:
        seen.add(question.id)
        if not holds(question.ask_when, facts):
            question = tree.question(question.next) if question.next else None
            continue
        is_answered = question.id in answers
        yield question, is_answered
        if not is_answered:
            return
        question = follow(tree, question, chosen(question, answers))


def next_question(tree: DecisionTree, answers: Answered, facts: Facts | None = None) -> Question | None:
    """The first question on the way that has no answer yet; None when the walk is complete."""
    return next((question for question, is_answered in visit(tree, answers, facts) if not is_answered), None)


def path(tree: DecisionTree, answers: Answered, facts: Facts | None = None) -> tuple[str, ...]:
    """Ids of the questions on the way that are answered, in order."""
    return tuple(question.id for question, is_answered in visit(tree, answers, facts) if is_answered)


def walked(tree: DecisionTree, facts: Facts) -> tuple[str, ...]:
    """Ids of the questions that facts answer, in the order a walk would have asked them."""
    answers = {question.id: getattr(facts, _fact(question.key), None) for question in tree.questions}
    return tuple(q for q in path(tree, answers, facts) if answers[q] not in (None, ()))


def facts_said(tree: DecisionTree, answers: Answered) -> Facts:
    """Facts with nothing but what the answers say: enough to decide which questions are asked."""
    said: dict[str, Any] = {
        _fact(question.key): tuple(value) if isinstance(value, list) else value
        for question in tree.questions
        if (value := answers.get(question.id)) is not None and _fact(question.key) in Facts.model_fields
    }
    said["goals"] = tuple(g for g in (said.get("goal"), *said.get("also", ())) if g)
    said.setdefault("goal", "")
    return Facts.model_construct(_fields_set=None, **said)


def _fact(key: str) -> str:
    """The fact that a key of the answers file fills: `model.kind` -> `model_kind`."""
    return key.replace(".", "_")


def branches(tree: DecisionTree, keys: frozenset[str]) -> Iterator[dict[str, Any]]:
    """Every combination of answers that can be reached, over the questions whose `key` is among `keys`.

    Other questions are passed over. A question with many answers is given every set of them. Yields `key -> value`.
    """
    for answers in _branches(tree, tree.question(tree.root), keys, {}):
        yield {tree.question(question_id).key: value for question_id, value in answers.items()}


def _branches(
    tree: DecisionTree, question: Question | None, keys: frozenset[str], answers: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    if question is None:
        yield answers
        return
    if question.key not in keys or not holds(question.ask_when, facts_said(tree, answers)):
        yield from _branches(tree, follow(tree, question, None), keys, answers)
        return
    if question.kind == "many":
        values = [choice.value for choice in question.choices if choice.value != answers.get(tree.root)]
        for size in range(len(values) + 1):
            for some in combinations(values, size):
                yield from _branches(tree, follow(tree, question, None), keys, {**answers, question.id: some})
        return
    for choice in question.choices:
        yield from _branches(tree, follow(tree, question, choice), keys, {**answers, question.id: choice.value})
