"""Plans with prompts: what a prompt is wired to, and what is measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from advisor.domain.facts import Facts
from advisor.domain.knowledge import Knowledge
from advisor.domain.plan import Plan
from advisor.domain.recommendation import Recommendation, StackEntry
from advisor.engine.compile import compile_plan

Build = Callable[[Mapping[str, Any]], Facts]
SMALL: dict[str, Any] = {
    "goal": "change-behavior",
    "behavior": "task",
    "model": {"id": "builtin:smollm2-135m-instruct", "params_b": 0.135, "kind": "instruct"},
    "data": {"path": "builtin:stdlib", "kind": "instructions", "seq_len": 256},
    "serve": {"target": "cpu", "bits": 8},
}


def compiled(knowledge: Knowledge, facts: Facts, *ids: str) -> Plan:
    techniques = [knowledge.technique(technique_id) for technique_id in ids]
    entries = (StackEntry(technique=t.id, family=t.family, executable=t.is_executable) for t in techniques)
    return compile_plan(Recommendation(feasible=True, stack=tuple(entries)), knowledge, facts)


def test_prompts_are_measured_with_the_model_as_it_stands(knowledge: Knowledge, facts_of: Build) -> None:
    """A prompt is given the adapter before it and the prompt it builds on; the model goes on as it was, and answers
    are written out."""
    plan = compiled(knowledge, facts_of(SMALL), "lora", "few-shot", "structured-output", "adapter-merge")
    assert [step.inputs for step in plan.steps] == [
        {"model": "base"},
        {"model": "base", "adapter": "1"},
        {"model": "base", "adapter": "1", "prompt": "2"},
        {"model": "base", "adapter": "1"},
    ]
    assert plan.steps[1].config["data"]["kind"] == "instructions"
    assert plan.evaluation.config["answers"] > 0
    assert "answers" not in compiled(knowledge, facts_of(SMALL), "lora").evaluation.config


def test_a_prompt_needs_no_data(knowledge: Knowledge, facts_of: Build) -> None:
    """Without data, or with data of a kind that has no answers to show, a prompt is written all the same."""
    other = {**SMALL, "data": {"path": "builtin:stdlib", "kind": "text"}}
    assert "data" not in compiled(knowledge, facts_of(other), "system-prompt").steps[0].config
