"""What is sharded over the processes of a group, and what of it is whole where."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from executors.artifact import Manifest
from executors.training import best, checkpoint, sharding
from executors.training.optimizer import make_optimizer
from executors.training.sharding import SPREAD, ShardedModel, gathered, is_divided, is_sharded, shard
from tests.executors.training.together import run_two


class Trainer:
    """What checkpoints and best weights read of a trainer."""

    def __init__(self, *, steps: int, sharding: str = "") -> None:
        import torch
        from transformers import TrainerState

        torch.manual_seed(0)
        self.model: Any = torch.nn.Module()
        self.model.blocks = torch.nn.ModuleList(torch.nn.Linear(6, 6).bfloat16() for _ in range(2))
        if sharding in SPREAD:
            shard(self.model, keeps_gathered=sharding == "zero2")
        self.optimizer = make_optimizer(self.model, 1e-2, is_divided=sharding == "zero1")
        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda step: 1.0)
        for _ in range(steps):
            for parameter in self.model.parameters():
                parameter.grad = parameter.detach() * 3
            self.optimizer.step()
        self.state = TrainerState(global_step=steps)
        self.reporter = SimpleNamespace(history=[])


class ShardedTrainer(Trainer, ShardedModel):
    """The same of a trainer whose model is sharded."""


def write_shared(folder: Path, sharding: str) -> None:
    """One member: save a shared training, and bring it back into a fresh one."""
    kind = ShardedTrainer if sharding in SPREAD else Trainer
    trainer = kind(steps=3, sharding=sharding)
    assert is_divided(trainer)
    parts = [*best.whole_weights(trainer).items()]
    parts += checkpoint._trainable(trainer.model).items() if sharding in SPREAD else []
    parts += [(name, t) for name, t in checkpoint._optimizer_state(trainer.optimizer)[0].items() if "step" not in name]
    is_first = os.environ["RANK"] == "0"
    assert all((tensor.numel() > 0) == is_first and tensor.device.type == "cpu" for _, tensor in parts)
    saved = checkpoint.save(folder / "shared", 3, trainer, Manifest())
    best.save_best(folder / "shared", 3, trainer, Manifest())
    fresh = kind(steps=0, sharding=sharding)
    checkpoint.restore_weights(saved, fresh.model)
    checkpoint.restore_optimizer(saved, fresh.optimizer, fresh.lr_scheduler)
    for one, two in zip(trainer.model.parameters(), fresh.model.parameters(), strict=True):
        assert gathered(one.detach()).tolist() == gathered(two.detach()).tolist()
    behind = kind(steps=1, sharding=sharding)
    assert best.restore_best(folder / "shared", 3, behind) == ""
    for one, two in zip(trainer.model.parameters(), behind.model.parameters(), strict=True):
        assert gathered(one.detach()).tolist() == gathered(two.detach()).tolist()


@pytest.mark.slow
@pytest.mark.parametrize("sharding", ["fsdp", "zero1"])
def test_only_the_first_process_holds_what_is_written(sharding: str, tmp_path: Path) -> None:
    """Of what is divided the first process alone gathers whole tensors; its files are those of one process."""
    import torch
    from safetensors.torch import load_file

    run_two(partial(write_shared, sharding=sharding), tmp_path)
    alone = Trainer(steps=3)
    folder = checkpoint.save(tmp_path / "alone", 3, alone, Manifest())
    best.save_best(tmp_path / "alone", 3, alone, Manifest())
    files = [Path(folder.name) / checkpoint.WEIGHTS, Path(folder.name) / checkpoint.OPTIMIZER]
    for file in (*files, Path(best.NAME) / best.WEIGHTS):
        one, two = (load_file(tmp_path / kind / file) for kind in ("alone", "shared"))
        assert one.keys() == two.keys()
        # Shards end elsewhere in the processor's vectors: a last bit of a moment may differ.
        assert all(torch.allclose(one[name], two[name], rtol=1e-6, atol=0) for name in one)


def measure_and_step(folder: Path) -> None:
    """One member: a forward pass without gradients between a step and the next."""
    import torch

    for keeps_gathered in (True, False):
        torch.manual_seed(0)
        model: Any = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU())
        # The list in which `shard` looks for blocks; its forward pass is that of the module that holds the block.
        model[1].blocks = torch.nn.ModuleList([model[0]])
        shard(model, keeps_gathered=keeps_gathered)
        with torch.no_grad():
            model(torch.ones(1, 4))
        assert all(is_sharded(parameter) for parameter in model.parameters())
        loss = model(torch.ones(1, 4)).sum()
        assert is_sharded(model[0].weight) is not keeps_gathered
        loss.backward()
        assert all(is_sharded(p) and is_sharded(p.grad) for p in model.parameters())


@pytest.mark.slow
def test_what_measuring_gathered_is_given_back(tmp_path: Path) -> None:
    """Gathered weights stay for a backward pass where that is asked for, and never beyond it or without one."""
    run_two(measure_and_step, tmp_path)


def test_what_is_held_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shares held in a step and of its gradients are counted in the first step, and in no measurement before."""
    import torch

    counted: list[int] = []

    def counting(tensors: Any) -> float:
        counted.append(len(list(tensors)))
        return 0.5

    class Base:
        model = torch.nn.Linear(2, 2)

        def compute_loss(self) -> Any:
            return self.model(torch.ones(1, 2)).sum()

        def _clip_grad_norm(self, model: Any) -> Any:
            return torch.ones(())

    class Stepping(ShardedModel, Base): ...

    monkeypatch.setattr(sharding, "held_share", counting)
    trainer = Stepping()
    with torch.no_grad():
        trainer.compute_loss()
    assert (trainer.held_in_step, counted) == (None, [])
    for _ in range(3):
        trainer.compute_loss().backward()
        trainer._clip_grad_norm(trainer.model)
    assert (trainer.held_in_step, trainer.held_gradients, counted) == (0.5, 0.5, [2, 2])
