"""The arms of a comparison, as plans."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from advisor.domain.facts import Facts
from advisor.domain.knowledge import Knowledge
from advisor.domain.recommendation import Recommendation
from advisor.engine import arms as arms_module
from advisor.engine.arms import arms_of, recommended_arm

Build = Callable[[Mapping[str, Any]], Facts]
Advise = Callable[..., Recommendation]
STDLIB: dict[str, Any] = {
    "goal": "change-behavior",
    "behavior": "task",
    "compute": "limited",
    "model": {"id": "builtin:smollm2-135m-instruct", "params_b": 0.135, "kind": "instruct"},
    "data": {"path": "builtin:stdlib", "kind": "instructions", "seq_len": 256},
    "train": {"micro_batch": 8, "tokens_budget": 40960},
    "serve": {"target": "cpu"},
}


def test_every_arm_is_measured_alike(knowledge: Knowledge, facts_of: Build, advise: Advise) -> None:
    """Prompt and adapter learn from instructions, all are asked the same questions, and no gate ends an arm."""
    arms = arms_of(advise(STDLIB), knowledge, facts_of(STDLIB), 30)
    plans = {arm.name: arm.plan for arm in arms if arm.plan is not None}
    assert {"prompt", "adapter"} <= set(plans)
    configs = [plan.evaluation.config for plan in plans.values()]
    assert all(config == configs[0] for config in configs)
    assert 30 in (configs[0].get("questions"), configs[0].get("answers"))
    assert all(step.max_regression is None for plan in plans.values() for step in plan.steps)
    adapter = plans["adapter"].steps[0]
    assert adapter.config["data"]["kind"] == "instructions"
    assert plans["prompt"].steps[0].produces == "prompt"


def test_an_arm_says_why_it_cannot_run(knowledge: Knowledge, facts_of: Build, advise: Advise) -> None:
    """Without documents there is nothing to retrieve from; the other arms are run all the same."""
    rows = {**STDLIB, "data": {"path": "mine.jsonl", "kind": "qa-pairs", "examples": 2000}}
    arms = {arm.name: arm for arm in arms_of(advise(rows), knowledge, facts_of(STDLIB).model_copy(
        update={"data_path": "mine.jsonl", "data_kind": "qa-pairs"}), 30)}  # fmt: skip
    assert "needs documents" in arms["retrieval"].why_not
    assert arms["adapter"].plan is not None


def test_both_together_are_wired(knowledge: Knowledge, facts_of: Build, advise: Advise) -> None:
    """Where retrieval runs here, its step after an adapter is measured with that adapter, each on its own data."""
    arms = {arm.name: arm for arm in arms_of(advise(STDLIB), knowledge, facts_of(STDLIB), 30)}
    plan = arms["retrieval with adapter"].plan
    if not knowledge.technique("basic-rag").is_executable:
        assert plan is None
        return
    assert plan is not None
    assert [step.inputs for step in plan.steps] == [{"model": "base"}, {"model": "base", "adapter": "1"}]
    assert [step.config["data"]["kind"] for step in plan.steps] == ["instructions", "documents"]
    alone = arms["adapter"].plan
    assert alone is not None and alone.steps[0].config == plan.steps[0].config


@pytest.mark.parametrize(
    ("ids", "arm"),
    [
        (("few-shot",), arms_module.PROMPT),
        (("system-prompt", "basic-rag", "reranking"), arms_module.RETRIEVAL),
        (("lora", "adapter-merge", "gguf"), arms_module.ADAPTER),
        (("qlora", "basic-rag"), arms_module.BOTH),
        (("raft", "basic-rag"), arms_module.AWARE),
        (("gguf",), arms_module.BASE),
    ],
)
def test_the_recommended_arm(ids: tuple[str, ...], arm: str, knowledge: Knowledge, advise: Advise) -> None:
    """A stack amounts to the arm of its families."""
    from advisor.domain.recommendation import StackEntry

    techniques = [knowledge.technique(technique_id) for technique_id in ids]
    stack = tuple(StackEntry(technique=t.id, family=t.family, executable=t.is_executable) for t in techniques)
    assert recommended_arm(advise(STDLIB).model_copy(update={"stack": stack})) == arm
