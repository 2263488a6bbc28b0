"""Tests of executors.tensors.select."""

from __future__ import annotations

import pytest
import torch

from executors.tensors.select import set_zero, zeros_in


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_zeros_are_set_and_counted(dtype: torch.dtype) -> None:
    """What the mask leaves out becomes zero whatever it was, infinity and negative numbers too; the rest stays."""
    weight = torch.tensor([[1.5, -2.0, float("inf"), -0.0], [3.0, -4.0, float("nan"), 5.0]], dtype=dtype)
    set_zero(weight, torch.tensor([[True, False, False, True], [True, True, False, True]]))
    assert weight.tolist() == [[1.5, 0, 0, 0], [3, -4, 0, 5]]
    assert zeros_in(weight) == 4
