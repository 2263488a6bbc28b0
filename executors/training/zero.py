"""Optimizer states and float32 masters divided over processes that each hold the whole model: stage 1 of ZeRO.

Each process keeps and steps its rows of every parameter, and sends what became of them to the others (Rajbhandari et
al. 2020, ZeRO, section 5.1). Masters and states are PyTorch's DTensors, so that they are written and read as those of
a sharded model are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from executors.training.sharding import is_sharded, join, mesh_of_all

BUCKET_BYTES = 1 << 26
"""Parts are sent together up to this size: a message for each of an adapter's many small tensors would cost more."""


def own_rows(tensor: Any, mesh: Any) -> Any:
    """This process's rows of a whole tensor that every process holds, without a copy.

    Scalars have no rows: they are given back as they are, and every process steps its own.
    """
    if not tensor.ndim:
        return tensor
    from torch.distributed.tensor import DTensor, Shard

    rows = _rows(tensor, mesh.get_local_rank(), mesh.size())
    return DTensor.from_local(rows, mesh, (Shard(0),), run_check=False, shape=tensor.shape, stride=tensor.stride())


def all_processes() -> Any:
    """The mesh of all processes of the group."""
    join()
    return mesh_of_all()


def matching(tensor: Any, master: Any) -> Any:
    """What of `tensor` belongs to `master`: this process's rows where only the master is divided, else all of it."""
    divided = is_sharded(master) and not is_sharded(tensor)
    return own_rows(tensor.detach(), master.device_mesh) if divided else tensor


def exchange(pairs: Sequence[tuple[Any, Any]]) -> None:
    """Give every process the rows that the others stepped. Every process must call it after each step."""
    import torch
    import torch.distributed as dist

    divided = [p.detach() for p, master in pairs if is_sharded(master) and not is_sharded(p)]
    if not divided:
        return
    for owner in range(dist.get_world_size()):
        for bucket in _buckets([_rows(tensor, owner, dist.get_world_size()) for tensor in divided]):
            sent = torch.cat([rows.reshape(-1) for rows in bucket])
            dist.broadcast(sent, owner)
            if owner != dist.get_rank():
                parts = sent.split([rows.numel() for rows in bucket])
                for rows, part in zip(bucket, parts, strict=True):
                    rows.copy_(part.view(rows.shape))


def _rows(tensor: Any, number: int, processes: int) -> Any:
    """The rows of one process, as DTensor divides them; none where there are fewer rows than processes."""
    parts = tensor.chunk(processes)
    return parts[number] if number < len(parts) else tensor[:0]


def _buckets(tensors: Sequence[Any]) -> Iterator[list[Any]]:
    """Tensors of one number format together, up to the size of a bucket; none that is empty."""
    bucket: list[Any] = []
    size = 0
    for tensor in tensors:
        if not tensor.numel():
            continue
        if bucket and (tensor.dtype != bucket[0].dtype or size + tensor.nbytes > BUCKET_BYTES):
            yield bucket
            bucket, size = [], 0
        bucket.append(tensor)
        size += tensor.nbytes
    if bucket:
        yield bucket
