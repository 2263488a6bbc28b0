"""Training that several GPUs share: what runs, what is told, and over how many processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from advisor.domain.facts import Facts
from advisor.domain.knowledge import Knowledge
from advisor.domain.plan import Plan
from advisor.domain.recommendation import Recommendation
from advisor.engine.compile import compile_plan
from advisor.engine.evaluate import Placement, evaluate_steps
from advisor.engine.stack import Situation
from executors.training.group import share_batch

Build = Callable[[Mapping[str, Any]], Facts]
Advise = Callable[..., Recommendation]
Planned = Callable[..., Plan]
LOST = "asked-for-not-possible"


def answers(params_b: float, gpus: int, gib: int, *use: str, **changes: Any) -> dict[str, Any]:
    """A model of this size to be trained on built-in examples with these GPUs."""
    hardware = {"gpus": [{"name": "A100", "memory_gib": gib, "count": gpus}], "ram_gib": 512, "disk_gib": 4000}
    data = {"path": "builtin:stdlib", "kind": "qa-pairs", "seq_len": 256, "examples": 2000}
    model = {"id": "acme/model", "params_b": params_b, "kind": "instruct"}
    known = {"goal": "change-behavior", "behavior": "task", "model": model, "data": data, "hardware": hardware}
    return {**known, "use": use, **changes}


@pytest.fixture
def planned(knowledge: Knowledge, facts_of: Build, advise: Advise) -> Planned:
    """The plan of answers."""
    return lambda values: compile_plan(advise(values), knowledge, facts_of(values))


def warned(found: Recommendation) -> list[str]:
    return [warning.text for warning in found.warnings if warning.code == LOST]


def supports(found: Recommendation) -> set[str]:
    return {support.technique for support in found.supports}


def test_a_model_larger_than_a_gpu_runs_where_sharing_was_asked_for(advise: Advise, planned: Planned) -> None:
    """All weights of 15B on four GPUs: planned in four processes by `use` or `train.sharding`; unasked it says how."""
    by_name, by_setting = answers(15, 4, 80, "full-sft", "fsdp"), answers(15, 4, 80, "full-sft")
    (unasked,) = advise(by_setting).stack
    assert unasked.not_yet.endswith(
        "this is done for lora and full-sft with adamw or sgd where asked for: use: [fsdp], or train.sharding: zero3."
    )
    for asked in (by_name, {**by_setting, "train": {"sharding": "fsdp"}}):
        (entry,) = advise(asked).stack
        assert (entry.not_yet, entry.config["gpus"]) == ("", 4)
        (step,) = planned(asked).steps
        assert (step.config["sharding"], step.config["processes"]) == ("fsdp", 4)


@pytest.mark.parametrize("train", [{"optimizer": "adafactor"}, {"processes": 2}])
def test_what_sharing_cannot_do_is_not_run(train: dict[str, Any], advise: Advise) -> None:
    """Another optimizer, or fewer processes than the GPUs that the model needs, keep such a model from running."""
    (entry,) = advise(answers(15, 4, 80, "full-sft", "fsdp", train=train)).stack
    assert entry.not_yet


@pytest.mark.parametrize(("gpus", "processes"), [(8, 8), (6, 4), (5, 4), (3, 2)])
def test_processes_share_the_rows_evenly(gpus: int, processes: int, planned: Planned) -> None:
    """As many processes as there are GPUs where the eight rows of a step can be shared so, else the most that can."""
    (step,) = planned(answers(1, gpus, 24, "lora", "fsdp")).steps
    assert step.config["processes"] == processes
    batch, accumulation = share_batch(step.config["micro_batch"], step.config["accumulation"], processes)
    assert batch * accumulation * processes == 8


def test_rows_that_processes_cannot_share_do_not_run(advise: Advise) -> None:
    """Processes that a person named and that do not divide the rows are told before the plan is run."""
    (entry,) = advise(answers(1, 4, 24, "lora", train={"processes": 3})).stack
    assert "3 processes cannot share the 8 rows of a step evenly" in entry.not_yet
    assert "cannot be shared evenly" in warned(advise(answers(1, 4, 24, "lora", "fsdp", train={"micro_batch": 5})))[0]


@pytest.mark.parametrize("sharding", ["fsdp", "zero3", "zero2"])
def test_a_pruned_model_is_not_divided(sharding: str, knowledge: Knowledge, facts_of: Build) -> None:
    """Advice and plan say before anything runs that masks are kept whole; ZeRO-1, where each has a copy, is planned."""
    steps = [Placement("wanda"), Placement("lora")]

    def judged(kind: str) -> tuple[Recommendation, Plan]:
        facts = facts_of(answers(1, 2, 24, train={"sharding": kind}))
        found = evaluate_steps(Situation(knowledge, facts), steps)
        return found, compile_plan(found, knowledge, facts)

    found, plan = judged(sharding)
    pruned, trained = found.stack
    assert pruned.not_yet == ""
    assert "does not divide a sparse-lm" in trained.not_yet and "train.sharding to zero1" in trained.not_yet
    assert [step.technique for step in plan.steps] == ["wanda"]
    assert any("(lora) is not run here" in note and "sparse-lm" in note for note in plan.notes)
    found, plan = judged("zero1")
    assert [entry.not_yet for entry in found.stack] == ["", ""]
    assert [step.config.get("sharding") for step in plan.steps] == [None, "zero1"]


@pytest.mark.parametrize(
    ("use", "train"), [(("qlora", "fsdp"), {}), (("qlora",), {"sharding": "fsdp"}), (("dora", "fsdp"), {})]
)
def test_other_methods_are_not_sharded(
    use: tuple[str, ...], train: dict[str, Any], advise: Advise, planned: Planned
) -> None:
    """Without sharding they run; advice and plan say that sharding is left out, and it stands beside nothing."""
    values = answers(8, 2, 80, *use, train=train)
    found = advise(values)
    assert "FSDP was asked for and is left out" in warned(found)[0] and "fsdp" not in supports(found)
    plan = planned(values)
    assert "sharding" not in plan.steps[0].config and "processes" not in plan.steps[0].config
    assert set(warned(found)) <= set(plan.notes)


@pytest.mark.parametrize(
    ("use", "train", "sharding"),
    [
        (("lora", "deepspeed-zero"), {}, "zero2"),
        (("lora", "deepspeed-zero"), {"sharding": "zero1"}, "zero1"),
        (("full-sft",), {"sharding": "zero3"}, "zero3"),
        (("dora",), {"sharding": "zero1"}, "zero1"),
        (("qlora", "deepspeed-zero"), {"sharding": "zero1"}, "zero1"),
    ],
)
def test_a_stage_is_planned_as_named(
    use: tuple[str, ...], train: dict[str, Any], sharding: str, advise: Advise, planned: Planned
) -> None:
    """`train.sharding` says the stage, ZeRO by name alone the second; the first shares any way of training."""
    values = answers(1, 2, 24, *use, train=train)
    found, (step,) = advise(values), planned(values).steps
    assert (step.config["sharding"], step.config["processes"]) == (sharding, 2)
    assert not warned(found) and not found.stack[0].not_yet
    assert ("deepspeed-zero" in supports(found)) == ("deepspeed-zero" in use)


def test_one_way_of_sharing_gives_way_to_another(advise: Advise, planned: Planned) -> None:
    """ZeRO by name beside `train.sharding: fsdp` is told to give way, and FSDP is planned."""
    values = answers(1, 2, 24, "lora", "deepspeed-zero", train={"sharding": "fsdp"})
    found = advise(values)
    assert [w.code for w in found.warnings if "DeepSpeed ZeRO" in w.text] == ["asked-for-gives-way"]
    assert planned(values).steps[0].config["sharding"] == "fsdp"


def test_whole_copies_give_way_to_sharding_by_name(advise: Advise, planned: Planned) -> None:
    """`train.sharding: ddp` beside ZeRO by name is told to give way, and ZeRO is planned."""
    values = answers(1, 2, 24, "lora", "deepspeed-zero", train={"sharding": "ddp"})
    told = [w.text for w in advise(values).warnings if w.code == "asked-for-gives-way"]
    assert len(told) == 1 and told[0].startswith("train.sharding: ddp was asked for and gives way to DeepSpeed ZeRO")
    assert planned(values).steps[0].config["sharding"] == "zero2"


def test_a_stage_that_leaves_the_weights_whole_does_not_carry_a_larger_model(advise: Advise) -> None:
    """15B on four GPUs of 80 GB runs under stage 3; under stages 1 and 2 it is told which stage divides the weights."""
    values = answers(15, 4, 80, "full-sft")
    notes = {s: advise({**values, "train": {"sharding": s}}).stack[0].not_yet for s in ("zero1", "zero2", "zero3")}
    assert "set train.sharding to zero3" in notes["zero1"] and "set train.sharding to zero3" in notes["zero2"]
    assert not notes["zero3"]


def test_dividing_states_alone_makes_room(advise: Advise) -> None:
    """All weights of 6B do not fit one GPU of 80 GB with AdamW; with divided states they do, as the advice says."""
    (entry,) = (found := advise(answers(6, 4, 80, "full-sft", train={"sharding": "zero1"}))).stack
    assert (entry.config["sharding"], entry.config["gpus"], entry.not_yet) == ("zero1", 4, "")
    (support,) = [support for support in found.supports if support.technique == "deepspeed-zero"]
    assert "the optimizer's states" in support.because[0].text


def test_nothing_trained_is_not_shared(advise: Advise) -> None:
    """Retrieval alone has no support that shards a training."""
    found = advise(answers(1, 2, 24, "fsdp", "basic-rag", goal="ground-knowledge"))
    assert "no step of the stack is a training" in warned(found)[0] and "fsdp" not in supports(found)
    assert "fsdp" in supports(advise(answers(1, 2, 24, "fsdp", "lora")))


def test_one_gpu_shares_nothing(advise: Advise, planned: Planned) -> None:
    """`train.sharding` with one GPU is left out and told; on two it is a setting of the training."""
    alone = answers(1, 1, 24, "lora", train={"sharding": "fsdp"})
    assert "nothing to shard over with one GPU" in warned(advise(alone))[0]
    assert "sharding" not in planned(alone).steps[0].config and "processes" not in planned(alone).steps[0].config
    two = answers(1, 2, 24, "lora", train={"sharding": "fsdp"})
    assert not warned(advise(two)) and planned(two).steps[0].config["processes"] == 2


def test_a_long_training_still_runs_on_one_gpu(advise: Advise, planned: Planned) -> None:
    """What fits one GPU and takes longer than a night is planned on it; with sharing asked for on all of them."""
    text = {"path": "builtin:stdlib", "kind": "text", "tokens": 20_000_000_000}
    changes = {"goal": "expand-knowledge", "data": text}
    unasked, asked = (answers(1, 8, 80, *use, **changes) for use in (("cpt",), ("cpt", "fsdp")))
    assert not advise(unasked).stack[0].not_yet and "processes" not in planned(unasked).steps[0].config
    assert not advise(asked).stack[0].not_yet and planned(asked).steps[0].config["processes"] == 8


def test_sharing_goes_before_a_smaller_optimizer(advise: Advise) -> None:
    """All weights that fit one GPU only with an 8-bit optimizer keep AdamW where sharing was asked for."""
    alone, shared = (advise(answers(6, 2, 80, *use)).stack[0] for use in (("full-sft",), ("full-sft", "fsdp")))
    assert alone.config.get("optimizer") == "adamw-8bit" and alone.config.get("gpus", 1) == 1
    assert "optimizer" not in shared.config and shared.config["gpus"] == 2


@pytest.mark.parametrize("train", [{"processes": 2}, {"sharding": "ddp"}, {"optimizer": "sgd"}])
def test_settings_of_a_fine_tuning_are_not_dropped_unsaid(
    train: dict[str, Any], advise: Advise, planned: Planned
) -> None:
    """With DPO advice and plan say which settings of a fine-tuning are left out, after LoRA, too; with LoRA alone they
    stand."""
    preferences = {"path": "builtin:stdlib", "kind": "preferences", "seq_len": 256, "examples": 2000}
    values = answers(1, 0, 24, "dpo", behavior="alignment", data=preferences, train=train, hardware={"gpus": []})
    (key,) = train
    (text,) = warned(advise(values))
    assert text.startswith(f"train.{key}: {train[key]} was asked for and is left out")
    assert text in planned(values).notes and key not in planned(values).steps[0].config
    both = warned(advise({**values, "use": ["lora", "dpo"]}))
    assert [text for text in both if "is left out of dpo: only a fine-tuning takes it." in text]
    tuned = answers(1, 0, 24, "lora", train=train, hardware={"gpus": []})
    assert not warned(advise(tuned)) and planned(tuned).steps[0].config[key] == train[key]


def test_the_micro_batch_that_is_named_serves(advise: Advise, planned: Planned) -> None:
    """Three processes are refused for eight rows, and share those of the micro-batch that the refusal names."""
    (entry,) = advise(answers(1, 0, 24, "lora", hardware={"gpus": []}, train={"processes": 3})).stack
    assert entry.not_yet.endswith("set train.micro_batch to 3.")
    served = answers(1, 0, 24, "lora", hardware={"gpus": []}, train={"processes": 3, "micro_batch": 3})
    (step,) = planned(served).steps
    assert step.config["micro_batch"] * step.config["accumulation"] % 3 == 0


def test_sharding_over_processes_is_not_told_to_be_left_out(advise: Advise, planned: Planned) -> None:
    """Without a GPU, `train.sharding` over two processes is done: a support of the same name is not called left out,
    and one of another name gives way."""
    train = {"sharding": "zero3", "processes": 2}
    for support, codes in (("deepspeed-zero", []), ("fsdp", ["asked-for-gives-way"])):
        values = answers(0.1, 0, 24, "full-sft", support, train=train, hardware={"gpus": [], "ram_gib": 64})
        assert [w.code for w in advise(values).warnings if w.code.startswith("asked-for")] == codes
        (step,) = planned(values).steps
        assert (step.config["sharding"], step.config["processes"]) == ("zero3", 2)


@pytest.mark.parametrize(("support", "sharding"), [("fsdp", "fsdp"), ("deepspeed-zero", "zero2")])
def test_processes_on_a_cpu_are_something_to_shard_over(
    support: str, sharding: str, advise: Advise, planned: Planned
) -> None:
    """Without a GPU, a support asked for by name shards over the processes that were asked for; over one it cannot."""
    values = answers(0.1, 0, 24, "lora", support, train={"processes": 2}, hardware={"gpus": [], "ram_gib": 64})
    assert not warned(advise(values))
    (step,) = planned(values).steps
    assert (step.config["sharding"], step.config["processes"]) == (sharding, 2)
    assert "nothing to shard over" in warned(advise({**values, "train": {"processes": 1}}))[0]
