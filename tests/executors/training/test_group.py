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
from tests.executors.finetune.conftest import config, inputs, tiny_data

__all__ = ["config", "inputs", "tiny_data"]


def test_rows_are_shared_evenly() -> None:
    """The rows of a step stay the same, whether the micro-batch, the accumulation or their product is divided."""
    assert share_batch(8, 2, 4) == (2, 2)
    assert share_batch(1, 8, 4) == (1, 2)
    assert share_batch(4, 2, 8) == (1, 1)
    assert share_batch(6, 2, 4) == (3, 1)
    assert share_batch(4, 9, 6) == (3, 2)
    with pytest.raises(AdvisorError, match="cannot share"):
        share_batch(3, 3, 2)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "sharding"), [("lora", "ddp"), ("full", "ddp"), ("lora", "fsdp"), ("full", "fsdp")])
def test_two_processes_learn_what_one_learns(
    method: str, sharding: str, config: Callable[..., Config], inputs: Inputs, tmp_path: Path, listener: Any
) -> None:
    """Two processes over gloo report the losses of one at the same rows per step, and leave its weights."""
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
    wrapper = "FSDPModule" if sharding == "fsdp" else "DistributedDataParallel"
    assert f"the model is wrapped by {wrapper} in 2 processes" in listener.lines
    if sharding == "fsdp":
        assert listener.metrics["held_share"] == pytest.approx(0.5, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("sharding", ["ddp", "fsdp"])
def test_a_group_stops_together_and_goes_on(
    sharding: str, config: Callable[..., Config], inputs: Inputs, tmp_path: Path, listener: Any, stopping_listener: Any
) -> None:
    """A stop is saved once and agreed on; the group goes on from there to the weights of an unbroken one."""
    settings = config(processes=2, max_steps=8, sharding=sharding)
    finetune.run(settings, inputs, tmp_path / "whole", listener)
    broken = inputs.model_copy(update={"scratch": str(tmp_path / "broken")})
    with pytest.raises(Stopped):
        finetune.run(settings, broken, tmp_path / "out", stopping_listener)
    finetune.run(settings, broken, tmp_path / "out", listener)
    files = [tmp_path / name / "adapter_model.safetensors" for name in ("whole", "out")]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize(
    "settings",
    [
        {"processes": 2, "sharding": "zero3"},
        {"sharding": "fsdp"},
        {"processes": 2, "sharding": "fsdp", "method": "dora"},
        {"processes": 2, "sharding": "fsdp", "optimizer": "adafactor"},
    ],
)
def test_sharding_is_refused_with_its_reason(
    settings: dict[str, Any], config: Callable[..., Config], inputs: Inputs
) -> None:
    """Ways to share that this version does not run are refused before the start."""
    found = finetune.preflight(config(**settings), inputs, Machine())
    assert [d.code for d in found] == ["sharding"]
    assert found[0].because


def test_rows_that_cannot_be_shared_are_refused(config: Callable[..., Config], inputs: Inputs) -> None:
    """Rows that do not divide by the processes are refused before the start."""
    assert finetune.preflight(config(processes=2, sharding="fsdp"), inputs, Machine()) == []
    found = finetune.preflight(config(processes=3), inputs, Machine())
    assert [d.code for d in found] == ["processes"]
