"""Tests of the walk through the tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from advisor.domain.condition import Condition
from advisor.domain.facts import Facts
from advisor.domain.knowledge import Knowledge
from advisor.domain.tree import Choice, DecisionTree, Question
from advisor.engine.stack import Situation, decide
from advisor.engine.walk import branches, next_question, path, walked

GOAL_KEYS = frozenset(
    ("goal", "also", "knowledge", "static_choice", "behavior", "compute", "optimize_for", "expansion")
)


def question(name: str, following: str | None, *choices: Choice, **more: Any) -> Question:
    return Question(id=name, key=name, text=name, meaning="", why="", next=following, choices=choices, **more)


def choice(value: str, following: str | None = None) -> Choice:
    return Choice(value=value, label=value, meaning="", next=following)


SMALL = DecisionTree(
    root="goal",
    questions=(
        question("goal", "task", choice("optimize"), choice("change-behavior", "behavior")),
        question("behavior", "task", choice("quick"), choice("task")),
        question("task", None, choice("code"), ask_when=Condition(fact="goal", one_of=("optimize",))),
    ),
)


def test_walk_asks_one_after_the_other() -> None:
    """An answer leads where its choice says, else where its question says, and then the walk ends."""
    first = next_question(SMALL, {})
    assert first is not None and first.id == "goal"
    after = next_question(SMALL, {"goal": "change-behavior"})
    assert after is not None and after.id == "behavior"
    assert next_question(SMALL, {"goal": "change-behavior", "behavior": "quick"}) is None


def test_question_that_does_not_apply_is_passed_over() -> None:
    """`ask_when` decides by what was answered."""
    after = next_question(SMALL, {"goal": "optimize"})
    assert after is not None and after.id == "task"
    assert path(SMALL, {"goal": "change-behavior", "behavior": "quick", "task": "code"}) == ("goal", "behavior")


def test_branches_are_all_the_ways() -> None:
    """Every combination is given once."""
    found = [tuple(sorted(b.items())) for b in branches(SMALL, frozenset(("goal", "behavior", "task")))]
    assert len(found) == len(set(found)) == 3


def test_facts_show_their_path(knowledge: Knowledge, facts_of: Callable[[Mapping[str, Any]], Facts]) -> None:
    """From facts, the questions that led to them can be told."""
    asked = walked(knowledge.tree, facts_of({"goal": "optimize", "optimize_for": "throughput"}))
    assert asked[0] == knowledge.tree.root
    assert "optimize-for" in asked
    assert "behavior" not in asked


def test_every_branch_gives_a_stack_or_a_reason(
    knowledge: Knowledge, facts_of: Callable[[Mapping[str, Any]], Facts]
) -> None:
    """No reachable combination of answers leaves a person without a stack and without a reason."""
    values = {"model": {"params_b": 3}, "hardware": {"gpus": [{"name": "RTX 4090", "memory_gib": 24}], "ram_gib": 64}}
    situation = Situation(knowledge, facts_of({"goal": "optimize", **values}))
    shape, silent, count = situation.facts.model_shape, [], 0
    for answers in branches(knowledge.tree, GOAL_KEYS):
        count += 1
        facts = facts_of({**answers, **values}).model_copy(update={"model_shape": shape})
        _, assembled = decide(situation.with_facts(facts))
        assert assembled.is_feasible == bool(assembled.members)
        is_told = bool(assembled.rejected) and all(rejection.because for rejection in assembled.rejected)
        if not assembled.members and not is_told:
            silent.append(answers)
    assert count > 1000
    assert not silent
