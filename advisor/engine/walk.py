"""The walk through the decision tree: which question comes next, and every way through.

Answers are `question id -> value`. The walk judges nothing: what an answer opens is decided by rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from advisor.domain.facts import Facts
from advisor.domain.tree import Choice, DecisionTree, Question
from advisor.engine.conditions import holds

Answered = Mapping[str, Any]


def chosen(question: Question, answers: Answered) -> Choice | None:
    """The choice that an answer stands for; None when it is not answered or not a choice."""
    value = answers.get(question.id)
    return next((c for c in question.choices if c.value == value), None) if question.id in answers else None


def follow(tree: DecisionTree, question: Question, choice: Choice | None) -> Question | None:
    """The question an answer leads to; None at a leaf."""
    following = choice.next if choice is not None and choice.next else question.next
    if choice is not None and choice.next is None and choice.techniques and question.next is None:
        return None
    return tree.question(following) if following else None


def visit(tree: DecisionTree, answers: Answered, facts: Facts | None = None) -> Iterator[tuple[Question, bool]]:
    """The questions on the way, each with whether it is answered, up to the first one that is not.

    A question whose `ask_when` does not hold is passed over; without facts, every question is asked.
    """
    question: Question | None = tree.question(tree.root)
    seen: set[str] = set()
    while question is not None and question.id not in seen:
        seen.add(question.id)
        if facts is not None and not holds(question.ask_when, facts):
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


def combinations(tree: DecisionTree, keys: frozenset[str]) -> Iterator[dict[str, Any]]:
    """Every combination of answers that can be reached, over the questions whose `key` is among `keys`.

    Other questions on the way are passed over by their first choice's route. Yields `key -> value`.
    """
    yield from _branches(tree, tree.question(tree.root), keys, {}, frozenset())


def _branches(
    tree: DecisionTree, question: Question | None, keys: frozenset[str], so_far: dict[str, Any], seen: frozenset[str]
) -> Iterator[dict[str, Any]]:
    if question is None or question.id in seen:
        yield so_far
        return
    seen = seen | {question.id}
    if question.key not in keys or not question.choices:
        choice = question.choices[0] if question.choices else None
        yield from _branches(tree, follow(tree, question, choice), keys, so_far, seen)
        return
    for choice in question.choices:
        answered = {**so_far, question.key: choice.value}
        yield from _branches(tree, follow(tree, question, choice), keys, answered, seen)
