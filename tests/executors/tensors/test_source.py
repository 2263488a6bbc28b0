"""Tests of executors.tensors.source."""

from __future__ import annotations

import pytest
import torch

from advisor.domain.errors import AdvisorError
from executors.tensors.source import require_finite


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("place", [0, 57, -1])
def test_one_bad_value_is_found_wherever_it_stands(dtype: torch.dtype, value: float, place: int) -> None:
    """NaN and both infinities are found in every float type, first, middle or last, and the tensor is named."""
    tensor = torch.ones(100, dtype=dtype)
    require_finite("weight", tensor)
    tensor[place] = value
    with pytest.raises(AdvisorError, match="tensor weight holds NaN or infinite"):
        require_finite("weight", tensor)


def test_large_values_and_empty_tensors_are_fine() -> None:
    """Values whose sum would overflow are finite, and nothing is too."""
    require_finite("weight", torch.full((1000,), 3e38))
    require_finite("weight", torch.empty(0))
