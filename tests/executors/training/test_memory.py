"""Shortage of memory."""

from __future__ import annotations

import pytest

from executors.training.memory import is_out_of_memory, smaller


@pytest.mark.parametrize(
    ("micro", "accumulation", "expected"),
    [(8, 1, (4, 2)), (4, 2, (2, 4)), (6, 1, (3, 2)), (3, 2, (1, 6)), (2, 3, (1, 6)), (1, 8, None)],
)
def test_the_effective_batch_stays(micro: int, accumulation: int, expected: tuple[int, int] | None) -> None:
    """The next smaller micro-batch keeps the product; below one there is none."""
    found = smaller(micro, accumulation)
    assert found == expected
    assert found is None or found[0] * found[1] == micro * accumulation


def test_shortage_is_told_from_other_errors() -> None:
    """CUDA's, the CPU allocator's and Python's shortage are recognised, other errors are not."""
    import torch

    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    for error in (MemoryError(), torch.OutOfMemoryError("CUDA out of memory"), caught.value):
        assert is_out_of_memory(error)
    assert not is_out_of_memory(RuntimeError("shape mismatch"))
    assert not is_out_of_memory(ValueError("out of memory"))
