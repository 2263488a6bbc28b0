"""Checkpoints that verify."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from executors.artifact import Manifest
from executors.training import checkpoint
from executors.training.optimizer import make_optimizer


def make_trainer(steps: int = 3) -> Any:
    """What a checkpoint reads of a trainer, over a bfloat16 layer and a float32 layer."""
    import torch
    from transformers import TrainerState

    torch.manual_seed(0)
    model = torch.nn.ModuleDict({"a": torch.nn.Linear(3, 3).bfloat16(), "b": torch.nn.Linear(3, 3)})
    optimizer = make_optimizer(model, 1e-2)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))
    for _ in range(steps):
        for parameter in model.parameters():
            parameter.grad = torch.randn_like(parameter)
        optimizer.step()
        schedule.step()
    return SimpleNamespace(
        model=model,
        optimizer=optimizer,
        lr_scheduler=schedule,
        state=TrainerState(global_step=steps),
        reporter=SimpleNamespace(history=[(0, 2.0)]),
    )


def state_of(trainer: Any) -> list[Any]:
    """Everything that decides how the training goes on, in float32."""
    tensors = [p.detach().float() for p in trainer.model.parameters()]
    for group in trainer.optimizer.param_groups:
        for parameter in group["params"]:
            tensors += [parameter.detach(), *(value for _, value in sorted(trainer.optimizer.state[parameter].items()))]
    return tensors


def test_everything_comes_back_bit_for_bit(tmp_path: Path) -> None:
    """Weights, masters, moments, learning rate and random states are the same after saving and restoring."""
    import numpy as np
    import torch

    saved = make_trainer()
    folder = checkpoint.save(tmp_path, 3, saved, Manifest(seed=1))
    drawn = (random.random(), float(np.random.rand()), float(np.random.randn()), torch.rand(2).tolist())
    fresh = make_trainer(steps=0)
    checkpoint.restore_weights(folder, fresh.model)
    checkpoint.restore_optimizer(folder, fresh.optimizer, fresh.lr_scheduler)
    checkpoint.restore_randomness(folder)
    pairs = list(zip(state_of(saved), state_of(fresh), strict=True))
    assert len(pairs) == 20
    assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in pairs)
    assert fresh.lr_scheduler.get_last_lr() == saved.lr_scheduler.get_last_lr()
    assert fresh.optimizer.param_groups[0]["betas"] == (0.9, 0.999)
    assert (random.random(), float(np.random.rand()), float(np.random.randn()), torch.rand(2).tolist()) == drawn


def test_a_fused_step_counts_on_the_device(tmp_path: Path) -> None:
    """A fused optimizer finds its step where its parameters are, as its kernel reads it; another one on the CPU."""
    folder = checkpoint.save(tmp_path, 3, make_trainer(), Manifest())
    state = folder / checkpoint.STATE
    for is_fused in (True, False):
        text = state.read_text().replace('"fused": true', f'"fused": {str(is_fused).lower()}')
        state.write_text(text)
        trainer = make_trainer(steps=0)
        for group in trainer.optimizer.param_groups:
            group["params"] = [parameter.to("meta") for parameter in group["params"]]
        checkpoint.restore_optimizer(folder, trainer.optimizer, trainer.lr_scheduler)
        parameters = [p for group in trainer.optimizer.param_groups for p in group["params"]]
        kinds = {trainer.optimizer.state[p]["step"].device.type for p in parameters}
        assert kinds == {"meta" if is_fused else "cpu"}


def test_nothing_in_it_is_a_pickle(tmp_path: Path) -> None:
    """A checkpoint holds safetensors and JSON and nothing else."""
    folder = checkpoint.save(tmp_path, 3, make_trainer(), Manifest())
    assert {path.suffix for path in folder.iterdir()} == {".safetensors", ".json"}


def test_a_flipped_bit_makes_the_one_before_count(tmp_path: Path) -> None:
    """A damaged checkpoint is passed over by name, and the one before it is used."""
    trainer = make_trainer()
    for step in (3, 10):
        checkpoint.save(tmp_path, step, trainer, Manifest())
    file = tmp_path / "step-00000010" / checkpoint.WEIGHTS
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    found = checkpoint.find_newest(tmp_path)
    assert (found.step, found.folder) == (3, tmp_path / "step-00000003")
    assert list(found.skipped) == ["step-00000010"]
    assert checkpoint.WEIGHTS in found.skipped["step-00000010"]


def test_unfinished_and_missing_ones_do_not_count(tmp_path: Path) -> None:
    """A folder without a manifest and one with a temporary name are no checkpoints."""
    (tmp_path / "step-00000009").mkdir()
    (tmp_path / "step-00000008.tmp-1-ab").mkdir()
    found = checkpoint.find_newest(tmp_path)
    assert (found.step, found.folder) == (0, None)
    assert list(found.skipped) == ["step-00000009"]


def test_older_ones_go_only_after_the_new_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two are kept; a save that fails at any of its writes leaves the newest whole one in place."""
    trainer = make_trainer()
    for step in (1, 2, 3):
        checkpoint.save(tmp_path, step, trainer, Manifest())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-00000002", "step-00000003"]
    for name in ("write_manifest", "publish", "_optimizer_state", "_random_state"):
        with monkeypatch.context() as patch:
            patch.setattr(checkpoint, name, lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
            with pytest.raises(OSError, match="No space"):
                checkpoint.save(tmp_path, 4, trainer, Manifest())
        assert checkpoint.find_newest(tmp_path).step == 3


def test_other_parameters_are_refused(tmp_path: Path) -> None:
    """A checkpoint of other parameters is not loaded in part."""
    import torch

    folder = checkpoint.save(tmp_path, 3, make_trainer(), Manifest())
    with pytest.raises(KeyError, match="4 tensors"):
        checkpoint.restore_weights(folder, torch.nn.Linear(3, 3))
