"""Training that several machines share: over how many processes, what is refused, and what is told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.advisor.engine.test_sharing import Advise, Planned, answers, planned, warned

__all__ = ["planned"]


def over(machines: int, **train: Any) -> dict[str, Any]:
    """Answers about a training over several machines."""
    return {"machines": machines, "rendezvous": "node1:29500", **train}


@pytest.mark.parametrize(
    ("gpus", "machines", "train", "processes"),
    [
        (0, 2, {}, 2),
        (0, 3, {"micro_batch": 3}, 3),
        (0, 2, {"processes": 4}, 4),
        (1, 2, {}, 2),
        (4, 2, {}, 8),
        (3, 2, {}, 4),
        (4, 2, {"processes": 2}, 2),
    ],
)
def test_machines_share_one_training(
    gpus: int, machines: int, train: dict[str, Any], processes: int, advise: Advise, planned: Planned
) -> None:
    """As many processes as the GPUs of all machines, one each without GPUs, where the rows divide so; the same number
    on each. The advice and the plan say what the estimate leaves out."""
    values = answers(1, gpus, 24, "lora", train=over(machines, **train))
    if not gpus:
        values["hardware"] = {"gpus": [], "ram_gib": 64}
    found, plan = advise(values), planned(values)
    config = plan.steps[0].config
    assert (config["machines"], config["rendezvous"], config["processes"]) == (machines, "node1:29500", processes)
    assert not found.stack[0].not_yet and not warned(found)
    (told,) = [w.text for w in found.warnings if w.code == "network-not-counted"]
    assert "the time of the network between them" in told and told in plan.notes


def test_one_gpu_of_each_machine_is_enough_to_shard(advise: Advise, planned: Planned) -> None:
    """With one GPU there is nothing to shard over; two machines with one each have two."""
    values = answers(1, 1, 24, "full-sft", train=over(2, sharding="zero3"))
    assert not warned(advise(values))
    (step,) = planned(values).steps
    assert (step.config["sharding"], step.config["processes"]) == ("zero3", 2)


def test_gpus_that_a_model_needs_are_those_of_each_machine(advise: Advise) -> None:
    """A model that needs four GPUs is not run by four processes on two machines, which are two on each."""
    values = answers(15, 4, 80, "full-sft", "fsdp")
    few, enough = ({**values, "train": over(2, processes=n, micro_batch=8)} for n in (4, 8))
    assert "2 processes share it there" in advise(few).stack[0].not_yet
    assert not advise(enough).stack[0].not_yet


def test_machines_that_cannot_share_the_rows_do_not_run(advise: Advise) -> None:
    """Three machines and eight rows: refused, and the micro-batch that is named serves."""
    values = answers(1, 0, 24, "lora", hardware={"gpus": []})
    (entry,) = advise({**values, "train": over(3)}).stack
    assert entry.not_yet.endswith("set train.micro_batch to 3.")
    assert not advise({**values, "train": over(3, micro_batch=3)}).stack[0].not_yet


def test_machines_are_not_dropped_unsaid(advise: Advise, planned: Planned) -> None:
    """With DPO alone advice and plan say that the machines are left out, and nothing of a network."""
    preferences = {"path": "builtin:stdlib", "kind": "preferences", "seq_len": 256, "examples": 2000}
    values = answers(1, 0, 24, "dpo", behavior="alignment", data=preferences, train=over(2), hardware={"gpus": []})
    found = advise(values)
    assert warned(found)[0].startswith("train.machines: 2 was asked for and is left out of dpo")
    assert "network-not-counted" not in {w.code for w in found.warnings}
    assert not {"machines", "rendezvous"} & planned(values).steps[0].config.keys()
