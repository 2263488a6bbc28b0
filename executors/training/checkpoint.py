"""Checkpoints: everything needed to go on bit for bit, without pickle, counted only when their manifest verifies.

A folder `step-00000012` holds the trainable weights, the optimizer's masters and moments, the states of all random
generators, the schedule and the Trainer's own state. Folders are ordered by step, never by time.
"""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from executors.artifact import Manifest, publish, temporary, verify, write_manifest
from executors.training.group import rank
from executors.training.sharding import gathered, like

WEIGHTS, OPTIMIZER, RANDOMNESS, STATE = (
    "weights.safetensors",
    "optimizer.safetensors",
    "random.safetensors",
    "state.json",
)
KEPT = 2
"""Checkpoints kept: the newest, and one before it in case the newest is damaged later."""


@dataclass(frozen=True)
class Found:
    """The newest whole checkpoint, and what was passed over (name: reason)."""

    folder: Path | None = None
    manifest: Manifest | None = None
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def step(self) -> int:
        return int(self.folder.name.removeprefix("step-")) if self.folder else 0


def find_newest(root: Path) -> Found:
    """The checkpoint with the highest step whose manifest verifies."""
    skipped: dict[str, str] = {}
    for folder in sorted(root.glob("step-" + "[0-9]" * 8), reverse=True):
        verification = verify(folder)
        if verification.is_whole:
            return Found(folder, verification.manifest, skipped)
        skipped[folder.name] = f"{verification.file} {verification.reason}"
    return Found(skipped=skipped)


def save(root: Path, step: int, trainer: Any, about: Manifest) -> Path:
    """Write the state of `trainer` as a checkpoint, then remove older ones. Raises OSError; older ones then stay.

    Every process of a group calls it, since what is sharded is gathered; the first one writes for all.
    """
    from safetensors.torch import save_file

    target = root / f"step-{step:08d}"
    weights = _trainable(trainer.model)
    tensors, rest, numbers = _optimizer_state(_bare(trainer.optimizer))
    if rank():
        return target
    folder = temporary(target)
    save_file(weights, folder / WEIGHTS)
    save_file(tensors, folder / OPTIMIZER)
    generators, positions = _random_state()
    save_file(generators, folder / RANDOMNESS)
    state: dict[str, Any] = {"optimizer": rest, "schedule": trainer.lr_scheduler.state_dict(), "random": positions}
    state["history"], state["numbers"] = trainer.reporter.history, numbers
    (folder / STATE).write_text(json.dumps(state))
    trainer.state.save_to_json(str(folder / "trainer_state.json"))
    write_manifest(folder, about)
    publish(folder, target)
    for old in sorted(root.glob("step-" + "[0-9]" * 8), reverse=True)[KEPT:]:
        shutil.rmtree(old)
    return target


def read_history(folder: Path) -> list[tuple[int, float]]:
    """(step, cost) of the measurements on held-out data up to a checkpoint."""
    found = json.loads((folder / STATE).read_text()).get("history", [])
    return [(int(step), float(cost)) for step, cost in found]


def restore_weights(folder: Path, model: Any) -> None:
    """Put the saved weights into the model. Raises KeyError when it trains other parameters."""
    import torch
    from safetensors.torch import load_file

    saved = load_file(folder / WEIGHTS)
    current = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if saved.keys() != current.keys():
        raise KeyError(f"the checkpoint trains {len(saved)} tensors, the model {len(current)}")
    with torch.no_grad():
        for name, parameter in current.items():
            parameter.copy_(like(saved[name], parameter))


def restore_optimizer(folder: Path, optimizer: Any, scheduler: Any) -> None:
    """Put moments, masters and schedule back, in exactly the types they were saved in."""
    import torch
    from safetensors.torch import load_file

    bare = _bare(optimizer)
    state = json.loads((folder / STATE).read_text())
    saved = load_file(folder / OPTIMIZER)
    for group, values in zip(bare.param_groups, state["optimizer"], strict=True):
        group.update({key: tuple(v) if isinstance(v, list) else v for key, v in values.items()})
    parameters = [p for group in bare.param_groups for p in group["params"]]
    fused = {id(p) for group in bare.param_groups if group.get("fused") for p in group["params"]}
    for key, value in saved.items():
        number, _, name = key.partition(".")
        parameter = parameters[int(number)]
        if name == "master":
            with torch.no_grad():
                parameter.copy_(like(value, parameter))
        else:
            # Not load_state_dict: it would cast to the parameter's type. A fused step counts on the device, others on
            # the CPU.
            found = value.to(parameter.device) if value.ndim or id(parameter) in fused else value
            bare.state[parameter][name] = like(found, parameter) if value.ndim else found
    for key, plain in state.get("numbers", {}).items():
        number, _, name = key.partition(".")
        bare.state[parameters[int(number)]][name] = plain
    scheduler.load_state_dict(state["schedule"])


def restore_randomness(folder: Path) -> None:
    """Set Python's, NumPy's and torch's generators to where they were."""
    import numpy as np
    import torch
    from safetensors.torch import load_file

    tensors = load_file(folder / RANDOMNESS)
    state = json.loads((folder / STATE).read_text())["random"]
    version, numbers, following = state["python"]
    random.setstate((version, tuple(numbers), following))
    key = tensors["numpy"].numpy().astype(np.uint32)
    np.random.set_state({"bit_generator": "MT19937", "state": {"key": key, "pos": state["position"]}, **state["gauss"]})
    torch.set_rng_state(tensors["torch"])
    for number in range(torch.cuda.device_count()):
        if f"cuda.{number}" in tensors:
            torch.cuda.set_rng_state(tensors[f"cuda.{number}"], number)


def _bare(optimizer: Any) -> Any:
    """The torch optimizer inside accelerate's."""
    return getattr(optimizer, "optimizer", optimizer)


def _trainable(model: Any) -> dict[str, Any]:
    return {name: gathered(p.detach()).contiguous() for name, p in model.named_parameters() if p.requires_grad}


def _optimizer_state(optimizer: Any) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]:
    """Tensors by `<parameter number>.<name>`, the settings of each group, and state that is no tensor."""
    import torch

    tensors: dict[str, Any] = {}
    numbers: dict[str, Any] = {}
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    shared = {id(parameter) for parameter, master in getattr(optimizer, "pairs", ()) if parameter is master}
    for number, parameter in enumerate(parameters):
        if hasattr(optimizer, "pairs") and id(parameter) not in shared:
            tensors[f"{number}.master"] = gathered(parameter.detach()).contiguous()
        for name, value in optimizer.state[parameter].items():
            if torch.is_tensor(value):
                # The tables of 8-bit optimizers are shared between parameters, and a file cannot share memory.
                own = value.detach().clone() if name.startswith("qmap") else gathered(value.detach())
                tensors[f"{number}.{name}"] = own.contiguous()
            else:
                numbers[f"{number}.{name}"] = value
    groups = [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]
    return tensors, groups, numbers


def _random_state() -> tuple[dict[str, Any], dict[str, Any]]:
    import numpy as np
    import torch

    numbers: dict[str, Any] = np.random.get_state(legacy=False)
    tensors = {"torch": torch.get_rng_state(), "numpy": torch.from_numpy(numbers["state"]["key"].astype(np.int64))}
    for number in range(torch.cuda.device_count()):
        tensors[f"cuda.{number}"] = torch.cuda.get_rng_state(number)
    version, inner, following = random.getstate()
    gauss = {"has_gauss": int(numbers["has_gauss"]), "gauss": float(numbers["gauss"])}
    python = [version, list(inner), following]
    return tensors, {"python": python, "position": int(numbers["state"]["pos"]), "gauss": gauss}
