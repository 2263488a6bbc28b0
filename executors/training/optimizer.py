"""Optimizers whose steps are taken in float32 while the model computes in bfloat16.

A bfloat16 weight keeps 8 bits: a step smaller than 1/256 of it would be rounded away. The optimizer therefore steps
float32 masters and copies them into the model. Forward and backward pass stay in bfloat16 throughout, without the
casts that float32 adapters on a bfloat16 model need. Method: Micikevicius et al. 2018, Mixed Precision Training, 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from executors.training.sharding import held_share
from executors.training.zero import all_processes, exchange, matching, own_rows

OptimizerName = Literal["adamw", "adamw-8bit", "paged-adamw-8bit", "adafactor", "sgd"]


class MasterStep:
    """Mixed in before a torch optimizer that was built over the masters. `pairs`: (model parameter, its master)."""

    pairs: Sequence[tuple[Any, Any]]

    def step(self, closure: Any = None) -> Any:
        """Gradients to the masters, one step there, masters back to the model; divided ones to the other processes."""
        import torch

        moved = [(parameter, master) for parameter, master in self.pairs if parameter is not master]
        for parameter, master in moved:
            master.grad = None if parameter.grad is None else matching(parameter.grad, master).to(master.dtype)
            # Given back one by one: never all of both.
            parameter.grad = None
        result = super().step(closure)  # type: ignore[misc]
        with torch.no_grad():
            copied = [(matching(p, master), master) for p, master in moved]
            if copied:
                torch._foreach_copy_([_local(p) for p, _ in copied], [_local(m) for _, m in copied])
            exchange(moved)
        for _, master in moved:
            master.grad = None
        return result


def make_optimizer(model: Any, learning_rate: float, name: OptimizerName = "adamw", *, is_divided: bool = False) -> Any:
    """An optimizer over the trainable parameters, in their order in the model, without weight decay.

    adamw: betas 0.9 and 0.999. adamw-8bit: its moments in 8 bits by blocks (Dettmers et al. 2022, 8-bit Optimizers via
    Block-wise Quantization); paged: in memory that the GPU may evict to the host. adafactor: a row and a column of
    second moments per matrix (Shazeer and Stern 2018). sgd: no state at all.
    `is_divided`: each process of the group keeps masters and states of its rows of every parameter, where the model
    itself is whole in all of them; for adamw and sgd, which step each number by itself.
    """
    mesh = all_processes() if is_divided else None
    pairs = []
    for parameter in model.parameters():
        if parameter.requires_grad:
            pairs.append((parameter, _master(parameter, mesh)))
    base, settings = _kind(name)
    kind: Any = type(f"Master{base.__name__}", (MasterStep, base), {})
    optimizer = kind([master for _, master in pairs], lr=learning_rate, weight_decay=0.0, **settings)
    optimizer.pairs = pairs
    return optimizer


def state_bytes(optimizer: Any) -> int:
    """Bytes of the optimizer's state, without the masters; of a sharded one those of this process."""
    import torch

    bare = getattr(optimizer, "optimizer", optimizer)
    values = [value for state in bare.state.values() for value in state.values() if torch.is_tensor(value)]
    values = [_local(value) for value in values]
    # The tables of 8-bit optimizers are shared between parameters.
    return sum({value.data_ptr(): value.numel() * value.element_size() for value in values}.values())


def held_state_share(optimizer: Any) -> float | None:
    """Bytes of masters and states that this process holds, as a share of all; None where there are none."""
    import torch

    bare = getattr(optimizer, "optimizer", optimizer)
    kept = [value for state in bare.state.values() for value in state.values() if torch.is_tensor(value)]
    kept += [master for parameter, master in bare.pairs if parameter is not master]
    return held_share(kept) if kept else None


def _local(tensor: Any) -> Any:
    """What this process holds of a tensor: all of it, or its shard."""
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


def _master(parameter: Any, mesh: Any = None) -> Any:
    """A float32 copy of a short parameter, any other as it is. Shards stay shards.

    With a mesh a copy of this process's rows in any case: a trainer may give the parameter another storage.
    """
    import torch

    is_short = parameter.dtype in (torch.bfloat16, torch.float16)
    if mesh is not None and parameter.ndim:
        return own_rows(parameter.detach(), mesh).to(torch.float32 if is_short else parameter.dtype, copy=True)
    return parameter.detach().float() if is_short else parameter


def _kind(name: OptimizerName) -> tuple[type, dict[str, Any]]:
    """The optimizer class and what else it is told."""
    import torch

    if name == "adamw":
        return torch.optim.AdamW, {"fused": True}
    if name == "adafactor":
        return torch.optim.Adafactor, {}
    if name == "sgd":
        return torch.optim.SGD, {}
    import bitsandbytes

    kinds = {"adamw-8bit": bitsandbytes.optim.AdamW8bit, "paged-adamw-8bit": bitsandbytes.optim.PagedAdamW8bit}
    return kinds[name], {}
