"""Parameters, gradients and optimizer states spread over the processes of a group by PyTorch's `fully_shard`.

Each block is gathered when it computes and given back afterwards (Zhao et al. 2023, PyTorch FSDP, section 3.2). The
Trainer on a CPU would make copies of the model instead, without a word, so the model is sharded before the Trainer sees
it, and the Trainer is kept from wrapping it again. What is written is whole: every process gathers, the first keeps it
and writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from advisor.domain.errors import AdvisorError
from executors.training.group import rank

METHODS = ("lora", "full")
"""What can be sharded: all tensors of a block in one number format, and none of them packed."""


def shard(model: Any) -> Any:
    """The same model with every block, and what is left of it, sharded over all processes of the group."""
    import torch
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    join()
    kind = "cuda" if torch.cuda.is_available() else "cpu"
    mesh = init_device_mesh(kind, (torch.distributed.get_world_size(),))
    for block in blocks(model):
        fully_shard(block, mesh=mesh)
    return fully_shard(model, mesh=mesh)


def join() -> None:
    """Make the group of processes, if the Trainer has not made it yet."""
    import torch

    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")


def blocks(model: Any) -> list[Any]:
    """The repeated blocks of a model. Raises AdvisorError for one that has none."""
    import torch

    lists: list[Any] = [module for module in model.modules() if isinstance(module, torch.nn.ModuleList)]
    if not lists:
        raise AdvisorError("sharding does not fit this model", why="it has no list of blocks", hint="sharding: ddp")
    longest: Any = max(lists, key=len)
    return list(longest)


def is_sharded(tensor: Any) -> bool:
    """Whether a tensor is one process's share of a whole."""
    return hasattr(tensor, "full_tensor")


def whole(tensor: Any) -> Any:
    """The whole tensor; of a sharded one gathered, which every process must ask for at the same time.

    On every device, so for small tensors only; `gathered` is for what is written.
    """
    return tensor.full_tensor() if is_sharded(tensor) else tensor


def gathered(tensor: Any) -> Any:
    """The whole tensor; of a sharded one in the first process's host memory, an empty one in the others.

    Every process must ask at the same time. Devices hold one whole tensor at a time, never all that is sharded since it
    did not fit.
    """
    if not is_sharded(tensor):
        return tensor
    full = tensor.full_tensor()
    return full.new_empty(0, device="cpu") if rank() else full.cpu()


def like(value: Any, tensor: Any) -> Any:
    """The share of `value` that a process holds where `tensor` is sharded, else `value`."""
    if not is_sharded(tensor):
        return value
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(value.to(tensor.device), tensor.device_mesh, tensor.placements)


def wait() -> None:
    """Go on when all processes of a sharded training are here."""
    import torch

    if torch.distributed.is_initialized():
        torch.distributed.barrier()


class ShardedModel:
    """Put in front of a trainer whose model is sharded already: it is not wrapped again."""

    def create_accelerator_and_postprocess(self) -> None:
        super().create_accelerator_and_postprocess()  # type: ignore[misc]
        trainer: Any = self
        trainer.accelerator.prepare_model = self._kept

    def _kept(self, model: Any, *_: Any, **__: Any) -> Any:
        trainer: Any = self
        if not any(known is model for known in trainer.accelerator._models):
            trainer.accelerator._models.append(model)
        return model

    def _clip_grad_norm(self, model: Any) -> Any:
        # Each process holds a part of the sum.
        return whole(super()._clip_grad_norm(model))  # type: ignore[misc]


def held_share(model: Any) -> float:
    """Bytes of the parameters that this process holds, as a share of all."""
    own = total = 0
    for parameter in model.parameters():
        local = parameter.to_local() if is_sharded(parameter) else parameter
        own += local.numel() * parameter.element_size()
        total += parameter.numel() * parameter.element_size()
    return own / total


def put_whole(tensors: Mapping[str, Any], model: Any) -> None:
    """Copy whole tensors by name into the model, in its own number format. Raises KeyError for names it lacks."""
    import torch

    known = dict(model.named_parameters())
    with torch.no_grad():
        for name, tensor in tensors.items():
            known[name].data = tensor.detach().to("cpu")
