"""What is sharded over the processes of a group, and what of it is whole where."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from executors.artifact import Manifest
from executors.training import best, checkpoint
from executors.training.optimizer import make_optimizer
from executors.training.sharding import ShardedModel, gathered, shard
from tests.executors.training.together import run_two


class Trainer(ShardedModel):
    """What checkpoints and best weights read of a trainer."""

    def __init__(self, *, steps: int, is_shared: bool) -> None:
        import torch
        from transformers import TrainerState

        torch.manual_seed(0)
        self.model: Any = torch.nn.Module()
        self.model.blocks = torch.nn.ModuleList(torch.nn.Linear(6, 6).bfloat16() for _ in range(2))
        if is_shared:
            shard(self.model)
        self.optimizer = make_optimizer(self.model, 1e-2)
        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda step: 1.0)
        for _ in range(steps):
            for parameter in self.model.parameters():
                parameter.grad = parameter.detach() * 3
            self.optimizer.step()
        self.state = TrainerState(global_step=steps)
        self.reporter = SimpleNamespace(history=[])


def write_shared(folder: Path) -> None:
    """One member: save a sharded training, and bring it back into a fresh one."""
    trainer = Trainer(steps=3, is_shared=True)
    parts = [*checkpoint._trainable(trainer.model).items(), *best.whole_weights(trainer).items()]
    parts += [(name, t) for name, t in checkpoint._optimizer_state(trainer.optimizer)[0].items() if "step" not in name]
    is_first = os.environ["RANK"] == "0"
    assert all((tensor.numel() > 0) == is_first and tensor.device.type == "cpu" for _, tensor in parts)
    saved = checkpoint.save(folder / "shared", 3, trainer, Manifest())
    best.save_best(folder / "shared", 3, trainer, Manifest())
    fresh = Trainer(steps=0, is_shared=True)
    checkpoint.restore_weights(saved, fresh.model)
    checkpoint.restore_optimizer(saved, fresh.optimizer, fresh.lr_scheduler)
    for one, two in zip(trainer.model.parameters(), fresh.model.parameters(), strict=True):
        assert gathered(one.detach()).tolist() == gathered(two.detach()).tolist()
    assert best.restore_best(folder / "shared", 3, Trainer(steps=0, is_shared=True)) == ""


@pytest.mark.slow
def test_only_the_first_process_holds_what_is_written(tmp_path: Path) -> None:
    """Of a sharded training the first process alone gathers whole tensors; its files are those of one process."""
    import torch
    from safetensors.torch import load_file

    run_two(write_shared, tmp_path)
    alone = Trainer(steps=3, is_shared=False)
    folder = checkpoint.save(tmp_path / "alone", 3, alone, Manifest())
    best.save_best(tmp_path / "alone", 3, alone, Manifest())
    files = [Path(folder.name) / checkpoint.WEIGHTS, Path(folder.name) / checkpoint.OPTIMIZER]
    for file in (*files, Path(best.NAME) / best.WEIGHTS):
        one, two = (load_file(tmp_path / kind / file) for kind in ("alone", "shared"))
        assert one.keys() == two.keys()
        # Shards end elsewhere in the processor's vectors: a last bit of a moment may differ.
        assert all(torch.allclose(one[name], two[name], rtol=1e-6, atol=0) for name in one)
