"""Tests of executors.quantize.awq: by hand on 4x4, and against plain rounding."""

from __future__ import annotations

import pytest
import torch

from executors.quantize.awq import clipped, mean_magnitudes, nearest, search_scales


def _problem(rows: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A weight, and inputs of which few features carry most."""
    torch.manual_seed(4)
    spread = torch.ones(width)
    spread[::16] = 30
    return torch.randn(rows, width), torch.randn(8 * width, width) * spread


def _loss(change: torch.Tensor, inputs: torch.Tensor) -> float:
    return float((inputs @ change.T).square().sum())


def test_nearest_on_four_by_four_by_hand() -> None:
    """Symmetric: the 7 of each row gives the scale 1. Asymmetric: 0 to 15 in steps of 1, the zero at the low end."""
    weight = torch.tensor([[7.0, 0, 1.4, 0.6], [-7.0, 2.4, 2.6, 0], [7.0, 7.0, 7.0, 7.0], [0, 0, 0, 0]])
    found = nearest(weight, 4, 4, True)
    assert found.values.tolist() == [[7, 0, 1, 1], [-7, 2, 3, 0], [7, 7, 7, 7], [0, 0, 0, 0]]
    assert found.scales.flatten().tolist() == [1, 1, 1, 1] and found.zeros is None
    wide = torch.tensor([[15.0, 0, 1.4, 0.6], [-5.0, 10.0, 2.6, 0], [-15.0, -1.4, 0, 0], [0, 0, 0, 0]])
    found = nearest(wide, 4, 4, False)
    assert found.zeros is not None
    assert found.zeros.flatten().tolist() == [-8, -3, 7, -8]
    assert found.dense().tolist() == [[15, 0, 1, 1], [-5, 10, 3, 0], [-15, -1, 0, 0], [0, 0, 0, 0]]


def test_mean_magnitudes_by_hand() -> None:
    """Over all tokens of all sequences, signs aside."""
    inputs = torch.tensor([[[1.0, -4.0], [3.0, 0.0]], [[-1.0, 2.0], [-3.0, 2.0]]])
    assert mean_magnitudes(inputs).tolist() == [2, 2]


@pytest.mark.parametrize("symmetric", [True, False])
def test_scales_protect_what_matters(symmetric: bool) -> None:
    """The inputs that carry most are scaled up, and the error of the output falls clearly below plain rounding."""
    weight, inputs = _problem(64, 128)
    gram = inputs.T @ inputs
    scales = search_scales(weight, mean_magnitudes(inputs), gram, 4, 64, symmetric)
    assert scales[::16].min() > 1.5 * scales[1::16].max()
    scaled = nearest(weight * scales, 4, 64, symmetric).dense() / scales
    plain = nearest(weight, 4, 64, symmetric).dense()
    assert _loss(scaled - weight, inputs) < 0.5 * _loss(plain - weight, inputs)


def test_even_inputs_are_not_scaled() -> None:
    """Where every input carries the same, scaling moves nothing."""
    torch.manual_seed(4)
    weight, inputs = torch.randn(32, 64), torch.randint(0, 2, (4096, 64)) * 2.0 - 1
    scales = search_scales(weight, mean_magnitudes(inputs), inputs.T @ inputs, 4, 32, True)
    assert torch.allclose(scales, torch.ones(64))


def test_an_input_never_seen_keeps_its_weights() -> None:
    """Scales stay finite and above zero when a feature is always 0."""
    weight, inputs = _problem(16, 64)
    inputs[:, 5] = 0
    scales = search_scales(weight, mean_magnitudes(inputs), inputs.T @ inputs, 4, 32, False)
    assert bool((scales > 0).all()) and bool(scales.isfinite().all())


@pytest.mark.parametrize("bits", [3, 4, 8])
@pytest.mark.parametrize("symmetric", [True, False])
def test_clipping_never_costs(bits: int, symmetric: bool) -> None:
    """Judged by the blocks of X^T X it looks at, narrowing a range is done only where the output gains."""
    weight, inputs = _problem(32, 64)
    inputs = inputs @ (torch.eye(64) + 0.1 * torch.randn(64, 64))
    gram = inputs.T @ inputs
    losses = [
        _loss(found.dense() - weight, inputs)
        for found in (clipped(weight, gram, bits, 64, symmetric), nearest(weight, bits, 64, symmetric))
    ]
    assert losses[0] <= losses[1]


@pytest.mark.parametrize("symmetric", [True, False])
def test_zero_stays_zero(symmetric: bool) -> None:
    """Zero has an integer of its own in every range."""
    weight, inputs = _problem(16, 64)
    weight[torch.rand(16, 64) > 0.5] = 0
    weight[3] = weight[3].abs() + (weight[3] != 0)
    found = clipped(weight, inputs.T @ inputs, 4, 32, symmetric).dense()
    assert bool((found[weight == 0] == 0).all())
