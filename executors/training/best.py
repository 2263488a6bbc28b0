"""The weights of the best measurement on held-out data, kept beside the checkpoints and put back at the end.

Written like a checkpoint: it counts only when its manifest verifies. After an interruption the steps that are repeated
give the same numbers, so what stands here is either right or written again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from executors.artifact import Manifest, publish, temporary, verify, write_manifest
from executors.training.group import rank
from executors.training.sharding import gathered, is_divided, like, wait

NAME = "best"
WEIGHTS = "weights.safetensors"


def save_best(root: Path, step: int, trainer: Any, about: Manifest) -> None:
    """Keep the trainable weights of this step, in the precision the optimizer steps in. Raises OSError.

    Every process of a training whose parts they hold calls it, the first one writes.
    """
    from safetensors.torch import save_file

    weights = whole_weights(trainer)
    if rank():
        wait()
        return
    folder = temporary(root / NAME)
    save_file(weights, folder / WEIGHTS)
    write_manifest(folder, about.model_copy(update={"config": {**about.config, "step": step}}))
    publish(folder, root / NAME)
    if is_divided(trainer):
        wait()


def restore_best(root: Path, step: int, trainer: Any) -> str:
    """Put the weights of `step` back into masters and model; why that cannot be done, or nothing."""
    import torch
    from safetensors.torch import load_file

    found = verify(root / NAME)
    if found.manifest is None or not found.is_whole:
        return f"{NAME} {found.file} {found.reason}"
    if found.manifest.config.get("step") != step:
        return f"{NAME} is of step {found.manifest.config.get('step')}"
    saved = load_file(root / NAME / WEIGHTS)
    parameters = dict(trainer.model.named_parameters())
    with torch.no_grad():
        for name, tensor in _weights(trainer).items():
            tensor.copy_(like(saved[name], tensor))
            if parameters[name] is not tensor:
                parameters[name].copy_(like(saved[name], parameters[name]))
    return ""


def whole_weights(trainer: Any) -> dict[str, Any]:
    """Every trained tensor by its name, whole, in the precision the optimizer steps in.

    What is sharded is whole in the first process only, and every process must ask.
    """
    return {name: gathered(tensor.detach()).contiguous() for name, tensor in _weights(trainer).items()}


def _weights(trainer: Any) -> dict[str, Any]:
    """Every trained tensor by its name in the model; its master where it has one."""
    optimizer = getattr(trainer.optimizer, "optimizer", trainer.optimizer)
    masters = {id(parameter): master for parameter, master in getattr(optimizer, "pairs", ())}
    return {name: masters.get(id(p), p) for name, p in trainer.model.named_parameters() if p.requires_grad}
