"""Several processes that share one training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from advisor.domain.errors import AdvisorError
from executors import finetune
from executors.finetune import Config
from executors.protocol import Inputs, Machine, Stopped
from executors.training.group import share_batch
from tests.executors.finetune.conftest import config, inputs

__all__ = ["config", "inputs"]


def test_rows_are_shared_evenly() -> None:
    """The rows of a step stay the same, whether the micro-batch, the accumulation or their product is divided."""
    assert share_batch(8, 2, 4) == (2, 2)
    assert share_batch(1, 8, 4) == (1, 2)
    assert share_batch(4, 2, 8) == (1, 1)
    assert share_batch(6, 2, 4) == (3, 1)
    assert share_batch(4, 9, 6) == (3, 2)
    with pytest.raises(AdvisorError, match="cannot share"):
        share_batch(3, 3, 2)


SPREAD = ("fsdp", "zero2", "zero3")


@pytest.mark.slow
@pytest.mark.parametrize("sharding", ["ddp", "zero1", *SPREAD])
@pytest.mark.parametrize("method", ["lora", "full"])
def test_two_processes_learn_what_one_learns(
    method: str, sharding: str, config: Callable[..., Config], inputs: Inputs, tmp_path: Path, listener: Any
) -> None:
    """Two processes over gloo report the losses of one at the same rows per step, and leave its weights.

    What each of them holds is told: half of the optimizer's state, under ZeRO-2 half of the gradients and, between the
    steps, of the parameters, which are whole in a step; under ZeRO-3 fewer than all of them then, too.
    """
    from safetensors.torch import load_file

    found = {}
    for processes in (1, 2):
        apart = inputs.model_copy(update={"scratch": str(tmp_path / f"scratch{processes}")})
        shared = {"processes": 2, "sharding": sharding} if processes == 2 else {}
        settings = config(method=method, max_steps=6, precision="fp32", learning_rate=1e-3, **shared)
        finetune.run(settings, apart, tmp_path / f"out{processes}", listener)
        name = "model.safetensors" if method == "full" else "adapter_model.safetensors"
        found[processes] = (
            listener.metrics["loss"],
            listener.metrics["held_out_loss"],
            tmp_path / f"out{processes}" / name,
        )
    assert found[1][0] == pytest.approx(found[2][0], rel=1e-4)
    assert found[1][1] == pytest.approx(found[2][1], rel=1e-4)
    one, two = (load_file(found[n][2]) for n in (1, 2))
    assert all((one[key] - two[key]).abs().max() < 2e-3 for key in one)
    wrapper = "FSDPModule" if sharding in SPREAD else "DistributedDataParallel"
    assert f"the model is wrapped by {wrapper} in 2 processes" in listener.lines
    assert "other-wrapping" not in {code for _, code, _ in listener.diagnostics}
    held = {name: value for name, value in listener.metrics.items() if name.startswith("held_") and "loss" not in name}
    half = pytest.approx(0.5, abs=0.02)
    if sharding == "ddp":
        assert not held
    elif sharding == "zero1":
        assert held == {"held_share": 1.0, "held_optimizer_share": half}
    else:
        in_step = held.pop("held_in_step_share")
        assert in_step == 1 if sharding == "zero2" else 0.5 < in_step < 1
        assert held == {"held_share": half, "held_gradient_share": half, "held_optimizer_share": half}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sharding", "changes"),
    [
        ("ddp", {}),
        ("fsdp", {}),
        ("zero2", {"method": "full"}),
        ("zero1", {}),
        ("zero1", {"method": "full", "precision": "bf16"}),
        ("zero1", {"method": "dora", "optimizer": "sgd"}),
    ],
)
def test_a_group_stops_together_and_goes_on(
    sharding: str,
    changes: dict[str, Any],
    config: Callable[..., Config],
    inputs: Inputs,
    tmp_path: Path,
    listener: Any,
    stopping_listener: Any,
) -> None:
    """A stop is saved once and agreed on; the group goes on from there to the weights of an unbroken one."""
    settings = config(processes=2, max_steps=8, sharding=sharding, **changes)
    finetune.run(settings, inputs, tmp_path / "whole", listener)
    broken = inputs.model_copy(update={"scratch": str(tmp_path / "broken")})
    with pytest.raises(Stopped):
        finetune.run(settings, broken, tmp_path / "out", stopping_listener)
    finetune.run(settings, broken, tmp_path / "out", listener)
    name = "model.safetensors" if settings.method == "full" else "adapter_model.safetensors"
    files = [tmp_path / folder / name for folder in ("whole", "out")]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize(
    "settings",
    [
        {"sharding": "fsdp"},
        {"sharding": "zero1"},
        {"processes": 2, "sharding": "fsdp", "method": "dora"},
        {"processes": 2, "sharding": "zero2", "method": "qlora"},
        {"processes": 2, "sharding": "zero3", "optimizer": "adafactor"},
        {"processes": 2, "sharding": "zero1", "optimizer": "adamw-8bit"},
    ],
)
def test_sharding_is_refused_with_its_reason(
    settings: dict[str, Any], config: Callable[..., Config], inputs: Inputs
) -> None:
    """What cannot be divided is refused before the start."""
    found = finetune.preflight(config(**settings), inputs, Machine())
    assert [d.code for d in found] == ["sharding"]
    assert found[0].because


def test_rows_that_cannot_be_shared_are_refused(config: Callable[..., Config], inputs: Inputs) -> None:
    """Rows that do not divide by the processes are refused before the start."""
    for sharding in ("fsdp", "zero1", "zero2", "zero3"):
        assert finetune.preflight(config(processes=2, sharding=sharding), inputs, Machine()) == []
    assert finetune.preflight(config(processes=2, sharding="zero1", method="dora"), inputs, Machine()) == []
    found = finetune.preflight(config(processes=3), inputs, Machine())
    assert [d.code for d in found] == ["processes"]
