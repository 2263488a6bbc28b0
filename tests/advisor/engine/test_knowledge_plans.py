"""Plans of knowledge training: recipes, second phases, what is measured beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from advisor.domain.errors import AdvisorError
from advisor.domain.facts import Facts
from advisor.domain.knowledge import Knowledge
from advisor.domain.plan import Plan
from advisor.domain.recommendation import Recommendation
from advisor.engine.compile import compile_plan

Build = Callable[[Mapping[str, Any]], Facts]
SMALL: dict[str, Any] = {
    "goal": "expand-knowledge",
    "expansion": "new-domain",
    "model": {"id": "builtin:smollm2-135m-instruct", "params_b": 0.135, "kind": "instruct"},
    "data": {"path": "builtin:stdlib", "kind": "text", "seq_len": 256, "tokens": 240_000},
}


@pytest.fixture
def planned(knowledge: Knowledge, facts_of: Build, advise: Callable[..., Recommendation]) -> Callable[..., Plan]:
    """The plan of the small situation with changes, as the engine advises it."""

    def plan(*use: str, data: Mapping[str, Any] | None = None, **changes: Any) -> Plan:
        values = {**SMALL, **changes, "use": use, "data": {**SMALL["data"], **(data or {})}}
        return compile_plan(advise(values), knowledge, facts_of(values))

    return plan


@pytest.mark.parametrize("technique", ["cpt", "dapt", "recent-cpt", "cpt-on-instruct"])
def test_a_corpus_is_learnt_by_all_weights(technique: str, planned: Callable[..., Plan]) -> None:
    """Continued pre-training is one step that trains every weight on the corpus."""
    (step,) = planned(technique).steps
    assert (step.executor, step.produces, step.config["method"]) == ("finetune", "causal-lm", "full")
    assert step.config["learning_rate"] == 1e-4
    assert step.config["data"] == {"path": "builtin:stdlib", "kind": "text", "held_out": 0.1}


def test_what_may_suffer_is_measured(planned: Callable[..., Plan]) -> None:
    """Training on an instruct model has instruction following measured, and general data that is named its loss."""
    data = {"general": {"path": "builtin:reference", "kind": "text"}}
    config = planned("cpt-on-instruct", data=data).evaluation.config
    assert config["following"] > 0
    assert config["probes"] == {"general": {"path": "builtin:reference", "kind": "text", "held_out": 0.1}}
    assert "following" not in planned("cpt").evaluation.config


@pytest.mark.parametrize(
    ("carrier", "inputs"), [("full-sft", {"model": "1"}), ("lora", {"model": "base", "adapter": "1"})]
)
def test_the_second_phase_goes_on_from_the_first(
    carrier: str, inputs: dict[str, str], knowledge: Knowledge, facts_of: Build
) -> None:
    """Two phases are two steps: the second trains what the first left, in the same way, on the examples."""
    from advisor.domain.recommendation import StackEntry

    technique = knowledge.technique("cpt-then-sft")
    entry = StackEntry(technique=technique.id, family=technique.family, config={"carrier": carrier})
    plan = compile_plan(Recommendation(feasible=True, stack=(entry,)), knowledge, facts_of(SMALL))
    first, second = plan.steps
    assert (first.folder, second.folder) == ("01-cpt-then-sft", "02-cpt-then-sft")
    assert second.inputs == inputs
    assert second.produces == first.produces
    assert second.config["data"] == {"path": "builtin:stdlib", "kind": "instructions", "held_out": 0.1}
    assert second.config["method"] == first.config["method"]
    assert plan.evaluation.config["probes"]["instruction"] == second.config["data"]


def test_two_phases_need_two_kinds_of_data(planned: Callable[..., Plan]) -> None:
    """A corpus of one's own without examples is refused, with what to set."""
    with pytest.raises(AdvisorError) as caught:
        planned("cpt-then-sft", data={"path": "corpus.txt", "tokens": 100_000})
    assert "data.then" in caught.value.why
    then = {"path": "rows.jsonl", "kind": "qa-pairs"}
    plan = planned("cpt-then-sft", data={"path": "corpus.txt", "tokens": 100_000, "then": then})
    assert plan.steps[1].config["data"]["path"] == "rows.jsonl"


RECIPES = [
    ("raft", {"kind": "qa-pairs"}, {"name": "raft", "without_oracle": 0.2}),
    ("rag-aware-sft", {"kind": "qa-pairs", "documents": "docs"}, {"name": "rag-aware", "passages": {"path": "docs"}}),
    ("domain-sft", {"kind": "qa-pairs"}, {"name": "closed-book"}),
    ("multilingual-cpt", {"kind": "parallel", "language": "de"}, {"name": "target-language", "language": "de"}),
    ("cross-lingual-peft", {"kind": "parallel"}, {"name": "target-language"}),
]


@pytest.mark.parametrize(("technique", "data", "recipe"), RECIPES)
def test_training_and_measuring_share_a_recipe(
    technique: str, data: dict[str, Any], recipe: dict[str, Any], planned: Callable[..., Plan]
) -> None:
    """What the technique makes of the data is what it learns and what is measured, filled in from the answers."""
    plan = planned(technique, data={"examples": 2000, **data})
    found = plan.steps[0].config["data"]["recipe"]
    assert {key: found.get(key) for key in recipe} == recipe
    assert plan.evaluation.config["data"]["recipe"] == found


def test_calls_of_tools_are_scored(planned: Callable[..., Plan]) -> None:
    """Training on tool calls has them answered and compared before and after."""
    plan = planned("function-calling-sft", data={"kind": "tool-calls", "examples": 900}, goal="change-behavior")
    assert plan.steps[0].produces == "adapter"
    assert plan.evaluation.config["tool_calls"] > 0


@pytest.mark.parametrize(("train", "processes"), [({"processes": 4}, 4), ({}, 2)])
def test_a_training_is_sharded_over_its_processes(
    train: Mapping[str, Any], processes: int, planned: Callable[..., Plan]
) -> None:
    """Sharding is a setting of the training it was asked for, over the processes named and at least two."""
    asked = {**train, "sharding": "fsdp"}
    (step,) = planned("lora", data={"kind": "instructions"}, train=asked, goal="change-behavior").steps
    assert (step.config["sharding"], step.config["processes"]) == ("fsdp", processes)
