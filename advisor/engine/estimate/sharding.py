"""How weights, gradients and optimizer states are split over GPUs, and what gathering them costs.

ZeRO: Rajbhandari et al. 2020. FSDP shards everything by block; embeddings and head form a unit that stays gathered.
The executors run ZeRO by PyTorch: stage 1 is DDP with divided states (`ddp-states`), stage 2 FSDP whose weights stay
gathered from the forward to the end of the backward pass (`fsdp-kept`), stage 3 FSDP.
"""

from __future__ import annotations

from typing import NamedTuple

from advisor.domain.estimate import EstimateRequest
from advisor.engine.estimate import constants as c
from advisor.engine.estimate.weights import Weights


class Shares(NamedTuple):
    """Share of each kind that one GPU holds."""

    weights: float
    gradients: float
    states: float
    gathers: bool
    """Weights are gathered block by block."""
    keeps_gradients: bool
    """Gradients stay in place between the steps (buckets), instead of taking the room activations leave."""


_BY_EXECUTORS = {"zero1": "ddp-states", "zero2": "fsdp-kept", "zero3": "fsdp"}


def strategy_of(request: EstimateRequest) -> str:
    """How the memory is split: the sharding as asked, or what the executors make of it."""
    return by_executors(request.sharding) if request.by_executors else request.sharding


def by_executors(sharding: str) -> str:
    """What the executors make of a sharding."""
    return _BY_EXECUTORS.get(sharding, sharding)


def gathers_of(sharding: str, passes: int) -> int:
    """How often each sharded weight is gathered for a micro batch of so many forward and backward passes."""
    return {"fsdp": passes, "zero3": passes, "fsdp-kept": 1}.get(sharding, 0)


def sends_of(sharding: str) -> int:
    """How often each trained weight is sent to the other GPUs in an optimizer step: once where each GPU steps its part
    of weights that all of them hold (Rajbhandari et al. 2020, arXiv 1910.02054, section 7.2.1)."""
    return int(sharding in ("zero1", "zero2", "ddp-states"))


def shares_of(sharding: str, gpus: int) -> Shares:
    """The split under a sharding strategy; one GPU holds all."""
    part = 1.0 / gpus
    if gpus == 1 or sharding == "none":
        return Shares(1.0, 1.0, 1.0, False, False)
    if sharding == "ddp":
        return Shares(1.0, 1.0, 1.0, False, True)
    if sharding in ("zero1", "ddp-states"):
        return Shares(1.0, 1.0, part, False, True)
    if sharding == "zero2":
        return Shares(1.0, part, part, False, True)
    return Shares(part, part, part, True, False)


def communication_bytes(sharding: str, gpus: int, gradient_bytes: float) -> float:
    """Buckets of gradients under DDP (a second copy of all) and ZeRO (two of at most 5e8 elements)."""
    if gpus == 1:
        return 0.0
    if sharding in ("ddp", "ddp-states"):
        return c.DDP_BUCKETS * gradient_bytes
    if sharding.startswith("zero"):
        return min(c.ZERO_BUCKET, 2 * gradient_bytes)
    return 0.0


def gathered_bytes(weights: Weights, gpus: int, sharding: str) -> float:
    """Full weights on the GPU at once beside the shards: of some blocks, or of all where they are kept."""
    if sharding == "fsdp-kept":
        return weights.total
    return (c.GATHERED_LAYERS * weights.block + weights.root) * (1 - 1 / gpus)


def flat_gradients(weight_bytes: float, block_bytes: float, request: EstimateRequest) -> float:
    """Gradients of frozen weights that share a flat parameter with trained ones (FSDP1, `use_orig_params=True`).

    Autograd fills the gradient of the whole flat parameter. Between micro batches FSDP does not reduce
    (`no_sync`: "accumulate the full model gradients instead of gradient shards", torch FSDP documentation), so all of
    them stay whole; without accumulation they are sharded one block after the other.
    """
    if request.accumulation > 1:
        return weight_bytes
    return weight_bytes / request.gpus + block_bytes
