"""Tests of plans: wiring, settings, notes, and what cannot be compiled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from advisor.domain.errors import AdvisorError
from advisor.domain.facts import Facts
from advisor.domain.knowledge import Knowledge
from advisor.domain.plan import Plan
from advisor.domain.recommendation import Recommendation, StackEntry
from advisor.engine.compile import compile_plan

Build = Callable[[Mapping[str, Any]], Facts]
SMALL: dict[str, Any] = {
    "goal": "change-behavior",
    "also": ["optimize"],
    "behavior": "task",
    "optimize_for": "memory-latency",
    "model": {"id": "builtin:smollm2-135m-instruct", "params_b": 0.135, "kind": "instruct"},
    "data": {"path": "builtin:stdlib", "kind": "instructions", "seq_len": 256},
    "serve": {"target": "cpu", "bits": 8},
}


def stack(knowledge: Knowledge, *ids: str) -> Recommendation:
    """A recommendation of these steps, as a person may have put them together."""
    techniques = [knowledge.technique(technique_id) for technique_id in ids]
    entries = (StackEntry(technique=t.id, family=t.family, executable=t.is_executable) for t in techniques)
    return Recommendation(feasible=True, stack=tuple(entries))


def compiled(knowledge: Knowledge, facts: Facts, *ids: str) -> Plan:
    return compile_plan(stack(knowledge, *ids), knowledge, facts)


def test_inputs_are_wired(knowledge: Knowledge, facts_of: Build) -> None:
    """Each step starts from the model the step before it left, a merge from the adapter too."""
    plan = compiled(knowledge, facts_of(SMALL), "wanda", "lora", "adapter-merge", "gguf")
    assert [step.inputs for step in plan.steps] == [
        {"model": "base"},
        {"model": "1"},
        {"model": "1", "adapter": "2"},
        {"model": "3"},
    ]
    assert [step.produces.value for step in plan.steps] == ["sparse-lm", "adapter", "sparse-lm", "gguf"]


def test_training_knows_its_data(knowledge: Knowledge, facts_of: Build) -> None:
    """Data, batch and length of the run are in the step's settings."""
    facts = facts_of({**SMALL, "train": {"micro_batch": 4, "tokens_budget": 20480}})
    config = compiled(knowledge, facts, "lora").steps[0].config
    assert config["data"]["path"] == "builtin:stdlib"
    assert config["accumulation"] * config.get("micro_batch", 1) == 8
    assert config["max_steps"] == 20480 // (8 * 256)


def test_impossible_chain_is_refused(knowledge: Knowledge, facts_of: Build) -> None:
    """Nothing that needs weights follows a GGUF file, and a merge needs an adapter."""
    for ids in (("gguf", "lora"), ("adapter-merge",), ("lora", "gguf")):
        with pytest.raises(AdvisorError, match="chain breaks"):
            compiled(knowledge, facts_of(SMALL), *ids)


def test_what_is_not_run_becomes_a_note(knowledge: Knowledge, facts_of: Build) -> None:
    """A step without an executor stands beside the plan, with the reason why it is not run."""
    plan = compiled(knowledge, facts_of(SMALL), "mxfp8", "lora", "adapter-merge", "gguf")
    assert [step.technique for step in plan.steps] == ["lora", "adapter-merge", "gguf"]
    assert len(plan.notes) == 1 and "mxfp8" in plan.notes[0]


def test_no_data_no_training(knowledge: Knowledge, facts_of: Build) -> None:
    """Without data there is nothing to execute: the refusal says what to set."""
    facts = facts_of({**SMALL, "data": {"kind": "instructions", "examples": 500}})
    with pytest.raises(AdvisorError) as caught:
        compiled(knowledge, facts, "lora", "adapter-merge")
    assert "data.path" in caught.value.why


def test_no_model_no_plan(knowledge: Knowledge, facts_of: Build) -> None:
    """A plan runs on a named model."""
    with pytest.raises(AdvisorError, match="no model"):
        compiled(knowledge, facts_of({**SMALL, "model": {"params_b": 1}}), "lora")


def test_infeasible_is_not_compiled(knowledge: Knowledge, facts_of: Build) -> None:
    """Where nothing is feasible there is no plan."""
    with pytest.raises(AdvisorError, match="nothing to execute"):
        compile_plan(Recommendation(feasible=False), knowledge, facts_of(SMALL))


def test_own_data_is_evaluated_without_the_built_in_questions(knowledge: Knowledge, facts_of: Build) -> None:
    """The multiple-choice test belongs to the built-in data."""
    own = {"path": "my.jsonl", "kind": "instructions", "examples": 900, "seq_len": 256}
    config = compiled(knowledge, facts_of({**SMALL, "data": own}), "lora").evaluation.config
    assert config["multiple_choice"] == 0 and config["data"]["path"] == "my.jsonl"


def test_eight_bits_may_cost_less_than_four(knowledge: Knowledge, facts_of: Build) -> None:
    """The gate of a quantization follows the bits it leaves."""
    wide, narrow = (
        compiled(knowledge, facts_of(SMALL), technique).steps[0].max_regression for technique in ("bnb-int8", "bnb-nf4")
    )
    assert wide is not None and narrow is not None and wide < narrow


@pytest.mark.parametrize("technique", ["wanda", "sparsegpt", "gptq", "int8-w8a8"])
def test_calibrated_steps_know_their_data(knowledge: Knowledge, facts_of: Build, technique: str) -> None:
    """What is chosen by looking at activations is told which text to run; without any it is not run."""
    (step,) = compiled(knowledge, facts_of(SMALL), technique).steps
    assert step.config["data"] == {"path": "builtin:stdlib", "kind": "instructions", "held_out": 0.1}
    with pytest.raises(AdvisorError, match="no step") as caught:
        compiled(knowledge, facts_of({**SMALL, "data": {"kind": "instructions"}}), technique)
    assert "no data is named" in caught.value.why


@pytest.mark.parametrize("technique", ["fp8", "bnb-nf4", "gguf"])
def test_formats_without_calibration_are_given_no_data(knowledge: Knowledge, facts_of: Build, technique: str) -> None:
    """A format that reads no text runs without any, and is not handed any."""
    for data in (SMALL["data"], {"kind": "instructions"}):
        (step,) = compiled(knowledge, facts_of({**SMALL, "data": data}), technique).steps
        assert "data" not in step.config


@pytest.mark.parametrize(("bits", "gate"), [(4, 0.30), (8, 0.05)])
def test_gptq_is_told_its_bits(knowledge: Knowledge, facts_of: Build, bits: int, gate: float) -> None:
    """The bits that serving asked for reach the executor, and eight may cost less than four."""
    advice = stack(knowledge, "gptq")
    entry = advice.stack[0].model_copy(update={"config": {"bits": bits}})
    plan = compile_plan(advice.model_copy(update={"stack": (entry,)}), knowledge, facts_of(SMALL))
    assert (plan.steps[0].config["bits"], plan.steps[0].max_regression) == (bits, gate)


def test_gptq_in_two_bits_is_left_to_other_tools(knowledge: Knowledge, facts_of: Build) -> None:
    """Bits that are not written here are named in the reason."""
    advice = stack(knowledge, "gptq")
    entry = advice.stack[0].model_copy(update={"config": {"bits": 2}})
    with pytest.raises(AdvisorError) as caught:
        compile_plan(advice.model_copy(update={"stack": (entry,)}), knowledge, facts_of(SMALL))
    assert "8, 4 or 3 bits, not in 2" in caught.value.why


def test_the_unpruned_model_teaches_what_was_cut_from_it(knowledge: Knowledge, facts_of: Build) -> None:
    """After a pruning step the base is the teacher of what the step left; without one a student is made first."""
    pruned = compiled(knowledge, facts_of(SMALL), "depth-pruning", "response-distillation", "gguf")
    assert pruned.steps[1].inputs == {"model": "1", "teacher": "base"} and pruned.models == ()
    assert "student_layers" not in pruned.steps[1].config
    (alone,) = compiled(knowledge, facts_of(SMALL), "response-distillation").steps
    assert alone.inputs == {"model": "base", "teacher": "base"} and alone.config["student_layers"] == 0.2


def test_a_named_teacher_teaches_the_model(knowledge: Knowledge, facts_of: Build) -> None:
    """The teacher of the answers is a further model of the plan, and the model itself is the student."""
    facts = facts_of({**SMALL, "teacher": {"id": "org/large", "params_b": 1.7}})
    plan = compiled(knowledge, facts, "response-distillation")
    assert plan.models[0].path == "org/large" and plan.steps[0].inputs == {"model": "base", "teacher": "models.0"}
    assert "student_layers" not in plan.steps[0].config and plan.steps[0].config["form"] == "logits"


def test_another_vocabulary_is_learnt_as_text(knowledge: Knowledge, facts_of: Build) -> None:
    """Probabilities of other tokens cannot be compared: the text form is taken, or the step is not run and says so."""
    facts = facts_of({**SMALL, "teacher": {"id": "org/large", "params_b": 1.7}})
    facts = facts.model_copy(update={"teacher_shares_vocabulary": False})
    plan = compiled(knowledge, facts, "response-distillation")
    assert plan.steps[0].config["form"] == "text" and "another vocabulary" in plan.notes[0]
    plan = compiled(knowledge, facts, "synthetic-data-distillation")
    assert plan.steps[0].config["form"] == "synthetic" and plan.notes == ()
    with pytest.raises(AdvisorError) as caught:
        compiled(knowledge, facts, "on-policy-distillation")
    assert "another vocabulary" in caught.value.why


def test_what_is_folded_into_a_pruned_model_stays_pruned(knowledge: Knowledge, facts_of: Build) -> None:
    """The merge keeps the zeros, and the plan knows it."""
    plan = compiled(knowledge, facts_of(SMALL), "wanda", "lora", "adapter-merge", "gptq")
    assert [step.produces.value for step in plan.steps] == ["sparse-lm", "adapter", "sparse-lm", "quantized-lm"]


def test_a_student_made_here_is_trained_whole(knowledge: Knowledge, facts_of: Build) -> None:
    """An adapter of a student that nobody keeps is worth nothing: the step is not run and says what to do."""
    recommendation = stack(knowledge, "response-distillation")
    entry = recommendation.stack[0].model_copy(update={"config": {"carrier": "lora"}})
    with pytest.raises(AdvisorError) as caught:
        compile_plan(recommendation.model_copy(update={"stack": (entry,)}), knowledge, facts_of(SMALL))
    assert "prune first" in caught.value.why
