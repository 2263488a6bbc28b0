"""Out of memory: recognised, and answered by a smaller micro-batch with the same effective batch."""

from __future__ import annotations

import gc

RETRIES = 3
_SIGNS = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory")


def is_out_of_memory(error: BaseException) -> bool:
    """True for the errors CUDA, the CPU allocator and Python raise when memory is short."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in _SIGNS)


def smaller(micro_batch: int, accumulation: int) -> tuple[int, int] | None:
    """The next smaller micro-batch with more accumulation and the same product; None when it is already 1."""
    effective = micro_batch * accumulation
    for size in range(micro_batch // 2, 0, -1):
        if effective % size == 0:
            return size, effective // size
    return None


def release() -> None:
    """Give back what the failed attempt still holds."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
