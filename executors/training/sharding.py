"""Parameters, gradients and optimizer states spread over the processes of a group by PyTorch's `fully_shard`.

Each block is gathered when it computes and given back afterwards (Zhao et al. 2023, PyTorch FSDP, section 3.2), as
stage 3 of ZeRO divides (Rajbhandari et al. 2020, section 5); kept until its backward pass has used it, as stage 2 does.
The Trainer on a CPU would make copies of the model instead, without a word, so the model is sharded before the Trainer
sees it, and the Trainer is kept from wrapping it again. What is written is whole: every process gathers, the first
keeps it and writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from advisor.domain.errors import AdvisorError
from executors.training.group import rank

METHODS = ("lora", "full")
"""What can be sharded: all tensors of a block in one number format, and none of them packed."""
SPREAD = ("fsdp", "zero2", "zero3")
"""Ways to share a training whose parameters are shards between the steps. Without it each process has a copy."""


def shard(model: Any, *, keeps_gathered: bool = False) -> Any:
    """The same model with every block, and what is left of it, sharded over all processes of the group.

    `keeps_gathered`: what a forward pass gathered stays until the backward pass has used it, instead of being gathered
    twice; parameters are then shards only between the steps.
    """
    from torch.distributed.fsdp import fully_shard

    join()
    mesh = mesh_of_all()
    for block in blocks(model):
        fully_shard(block, mesh=mesh, reshard_after_forward=not keeps_gathered)
    # What is left is needed again at once when the backward pass begins: it stays gathered in any case.
    fully_shard(model, mesh=mesh, reshard_after_forward=False)
    model.register_forward_hook(_give_back)
    return model


def mesh_of_all() -> Any:
    """All processes of the group as a mesh of one dimension."""
    import torch
    from torch.distributed.device_mesh import init_device_mesh

    kind = "cuda" if torch.cuda.is_available() else "cpu"
    return init_device_mesh(kind, (torch.distributed.get_world_size(),))


def _give_back(model: Any, *_: Any) -> None:
    """Give gathered parameters back where no backward pass does: after measuring.

    Else the model's parameters would be the gathered ones, which the optimizer neither steps nor knows the masters of.
    """
    import torch
    from torch.distributed.fsdp import FSDPModule

    if not torch.is_grad_enabled():
        for module in model.modules():
            if isinstance(module, FSDPModule):
                module.reshard()


def join() -> None:
    """Make the group of processes, if the Trainer has not made it yet."""
    import torch

    if not torch.distributed.is_initialized():
        # The others wait while the first writes a checkpoint.
        patience = timedelta(hours=2)
        torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=patience)


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


def is_divided(trainer: Any) -> bool:
    """Whether processes hold parts of what is trained, so that all of them must take part in writing it."""
    bare = getattr(trainer.optimizer, "optimizer", trainer.optimizer)
    return isinstance(trainer, ShardedModel) or any(is_sharded(master) for _, master in getattr(bare, "pairs", ()))


class ShardedModel:
    """Put in front of a trainer whose model is sharded already: it is not wrapped again."""

    held_in_step: float | None = None
    held_gradients: float | None = None
    """Shares of the parameters between the passes of the first step, and of the gradients after them, held here; the
    other steps hold as much. None before there was one."""

    def create_accelerator_and_postprocess(self) -> None:
        super().create_accelerator_and_postprocess()  # type: ignore[misc]
        trainer: Any = self
        trainer.accelerator.prepare_model = self._kept

    def _kept(self, model: Any, *_: Any, **__: Any) -> Any:
        trainer: Any = self
        if not any(known is model for known in trainer.accelerator._models):
            trainer.accelerator._models.append(model)
        return model

    def compute_loss(self, *given: Any, **named: Any) -> Any:
        import torch

        loss = super().compute_loss(*given, **named)  # type: ignore[misc]
        trainer: Any = self
        # Without gradients no step follows, and what was gathered is given back already.
        if self.held_in_step is None and torch.is_grad_enabled():
            self.held_in_step = held_share(trainer.model.parameters())
        return loss

    def _clip_grad_norm(self, model: Any) -> Any:
        trainer: Any = self
        if self.held_gradients is None:
            self.held_gradients = held_share(p.grad for p in trainer.model.parameters() if p.grad is not None)
        # Each process holds a part of the sum.
        return whole(super()._clip_grad_norm(model))  # type: ignore[misc]


def held_share(tensors: Iterable[Any]) -> float:
    """Bytes of these tensors that this process holds, as a share of all; 1 where there are none."""
    own = total = 0
    for tensor in tensors:
        local = tensor.to_local() if is_sharded(tensor) else tensor
        own += local.numel() * tensor.element_size()
        total += tensor.numel() * tensor.element_size()
    return own / total if total else 1.0


def put_whole(tensors: Mapping[str, Any], model: Any) -> None:
    """Copy whole tensors by name into the model, in its own number format. Raises KeyError for names it lacks."""
    import torch

    known = dict(model.named_parameters())
    with torch.no_grad():
        for name, tensor in tensors.items():
            known[name].data = tensor.detach().to("cpu")
