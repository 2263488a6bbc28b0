"""What a person asks for by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from advisor.domain.answers import Answers
from advisor.domain.recommendation import Recommendation
from advisor.runs.advise import Overrides, plan_of
from advisor.runs.advise import advise as run_advice
from advisor.runs.prepare import check_config

SMALL: dict[str, Any] = {
    "goal": "change-behavior",
    "behavior": "task",
    "model": {"id": "builtin:smollm2-135m-instruct", "params_b": 0.135, "kind": "instruct"},
    "data": {"path": "builtin:stdlib", "kind": "qa-pairs", "seq_len": 256, "examples": 2000},
}


def test_the_stack_is_made_of_the_steps_asked_for(advise: Callable[..., Recommendation]) -> None:
    """Steps under `use` take the place of those that would be advised, in the engine's order, with what they need."""
    found = advise({**SMALL, "use": ["gguf", "raft"], "serve": {"target": "cpu", "bits": 8}})
    assert [entry.technique for entry in found.stack] == ["raft", "adapter-merge", "gguf"]
    assert found.stack[0].because[0].text == "You asked for it."


def test_supports_asked_for_accompany_the_advice(advise: Callable[..., Recommendation]) -> None:
    """Supports under `use` leave the stack as it is advised and stand beside it."""
    plain, asked = advise(SMALL), advise({**SMALL, "use": ["gradient-checkpointing"]})
    assert [e.technique for e in asked.stack] == [e.technique for e in plain.stack]
    assert "gradient-checkpointing" in {s.technique for s in asked.supports}


def test_what_is_asked_for_and_not_possible_is_refused_with_its_reason(advise: Callable[..., Recommendation]) -> None:
    """A step that the situation does not allow leaves nothing feasible, and the refusal says why."""
    found = advise({**SMALL, "use": ["dpo"]})
    assert not found.feasible
    assert [r.technique for r in found.rejected] == ["dpo"]


def warned(found: Recommendation, code: str) -> list[str]:
    return [warning.text for warning in found.warnings if warning.code == code]


@pytest.mark.parametrize("technique", ["fsdp", "deepspeed-zero"])
def test_sharding_is_not_dropped_unsaid(advise: Callable[..., Recommendation], technique: str) -> None:
    """Sharding asked for is left out with its reason on one GPU; on two GPUs it accompanies the training."""
    found = advise({**SMALL, "use": [technique]})
    assert "nothing to shard over" in warned(found, "asked-for-not-possible")[0]
    assert technique not in {support.technique for support in found.supports}
    two = {"gpus": [{"name": "RTX 4090", "memory_gib": 24, "count": 2}], "ram_gib": 64}
    found = advise({**SMALL, "hardware": two, "use": [technique]})
    assert not [warning for warning in found.warnings if warning.code.startswith("asked-for")]
    assert technique in {support.technique for support in found.supports}


def test_several_adapters_are_warned_about(advise: Callable[..., Recommendation]) -> None:
    """Two adapters of one data set are told, one is not."""
    found = advise({**SMALL, "use": ["lora", "dora"]})
    assert "each train an adapter" in warned(found, "several-adapters")[0]
    assert not warned(advise({**SMALL, "use": ["lora"]}), "several-adapters")


def test_a_format_that_gives_way_is_told(advise: Callable[..., Recommendation]) -> None:
    """Of two formats asked for, the one that is not in the stack has its reason in a warning."""
    gpu = {"gpus": [{"name": "RTX 4090", "memory_gib": 24}], "ram_gib": 64}
    found = advise({**SMALL, "use": ["awq", "gguf"], "serve": {"target": "gpu", "bits": 4}, "hardware": gpu})
    assert [entry.technique for entry in found.stack] == ["awq"]
    assert "gguf was asked for and gives way" in warned(found, "asked-for-gives-way")[0]


def test_the_plan_repeats_it() -> None:
    """Who reads only the plan is told too."""
    advice = run_advice(Answers.model_validate({**SMALL, "use": ["fsdp"]}), Overrides(no_gpu=True, ram_gib=16))
    assert any("FSDP" in note for note in plan_of(advice).notes)


def test_what_does_not_run_yet(advise: Callable[..., Recommendation]) -> None:
    """A step whose data nobody named, or of another kind than it works on, is said not to run yet; with data it is."""
    known = {"goal": "change-behavior", "behavior": "task", "model": SMALL["model"]}
    (without, *_) = advise({**known, "data": {"kind": "instructions", "examples": 500}}).stack
    assert without.executable and "no data is named" in without.not_yet
    assert not advise(SMALL).stack[0].not_yet


@pytest.mark.parametrize("technique", ["prefix-tuning", "p-tuning-v2"])
def test_checkpointing_gives_way_to_a_prefix(advise: Callable[..., Recommendation], technique: str) -> None:
    """Gradient checkpointing beside a prefix is told to be left out, and the plan is one that can be run; beside LoRA
    it is planned."""
    values = {**SMALL, "use": [technique, "gradient-checkpointing"]}
    found = advise(values)
    assert "is left out of" in warned(found, "asked-for-not-possible")[0]
    assert "gradient-checkpointing" not in {support.technique for support in found.supports}
    plan = plan_of(run_advice(Answers.model_validate(values), Overrides(no_gpu=True, ram_gib=16)))
    check_config("finetune", technique, plan.steps[0].config)
    beside = run_advice(
        Answers.model_validate({**SMALL, "use": ["lora", "gradient-checkpointing"]}), Overrides(no_gpu=True, ram_gib=16)
    )
    assert plan_of(beside).steps[0].config["gradient_checkpointing"] is True


def test_a_prefix_is_never_planned_with_checkpointing(advise: Callable[..., Recommendation]) -> None:
    """Where memory is so short that LoRA gets gradient checkpointing, a prefix is trained without it or refused."""
    gpu = {"gpus": [{"name": "RTX 4090", "memory_gib": 24}], "ram_gib": 64}
    model = {"id": "acme/model-7b", "params_b": 7, "kind": "instruct"}
    values = {**SMALL, "model": model, "hardware": gpu, "data": {**SMALL["data"], "seq_len": 4096}}
    assert advise({**values, "use": ["lora"]}).stack[0].config["gradient_checkpointing"]
    found = advise({**values, "use": ["prefix-tuning"]})
    assert not any(entry.config["gradient_checkpointing"] for entry in found.stack)


def test_one_row_and_batches_of_one_are_told_before_the_run(advise: Callable[..., Recommendation]) -> None:
    """KTO with a micro-batch of one, and a training on one row, are said not to run, with what to change."""
    kto = {**SMALL, "behavior": "alignment", "data": {**SMALL["data"], "kind": "feedback"}, "use": ["kto"]}
    assert "set train.micro_batch to 2" in advise({**kto, "train": {"micro_batch": 1}}).stack[0].not_yet
    assert not advise({**kto, "train": {"micro_batch": 2}}).stack[0].not_yet
    one = {**SMALL, "use": ["lora"], "data": {**SMALL["data"], "examples": 1}}
    assert "give at least two" in advise(one).stack[0].not_yet
