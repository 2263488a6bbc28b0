"""Tests of executors.quantize.rounding: by hand on 4x4, and against the plain algorithm."""

from __future__ import annotations

import pytest
import torch

from executors.quantize.rounded import to_float8
from executors.quantize.rounding import Curvature, gptq, group_scales

PAIR = torch.tensor([[2.0, 1.0], [1.0, 2.0]])


def _problem(rows: int, width: int, mixing: float = 0.4) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(3)
    inputs = torch.randn(4 * width, width) * (0.2 + torch.rand(width))
    inputs = inputs @ (torch.eye(width) + mixing * torch.randn(width, width) / width**0.5)
    return torch.randn(rows, width), 2 * inputs.T @ inputs


def _loss(change: torch.Tensor, hessian: torch.Tensor) -> float:
    return float(((change @ hessian) * change).sum())


def _plain(weight: torch.Tensor, hessian: torch.Tensor, bits: int, group: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Algorithm 1 column by column on the inverse itself, in 64 bits, the most important column first."""
    importance = hessian.diagonal()
    parts = zip(weight.T.split(group), importance.split(group), strict=True)
    scales = [group_scales(part, shares, bits)[0].double() for part, shares in parts]
    weight, inverse = weight.double().clone(), torch.linalg.inv(hessian.double())
    integers = torch.zeros_like(weight)
    for column in importance.argsort(descending=True, stable=True).tolist():
        scale = scales[column // group]
        whole = (weight[:, column] / scale).round().clamp(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        error = (weight[:, column] - whole * scale) / inverse[column, column]
        # Settled columns have nothing left in the inverse.
        weight -= error[:, None] * inverse[column]
        inverse -= torch.outer(inverse[:, column], inverse[column, :]) / inverse[column, column]
        integers[:, column] = whole
    return integers, torch.stack(scales, dim=1)


def test_gptq_on_four_by_four_by_hand() -> None:
    """One group, scale 1 given by the 7 in each row: of (1.4, 0.4) the second takes over half of the error 0.4."""
    curvature = Curvature.of(torch.block_diag(PAIR, PAIR), damping=0)
    weight = torch.tensor([[7.0, 0, 1.4, 0.4], [1.4, 0.4, 7.0, 0], [-1.4, -0.4, 7.0, 0], [7.0, 7.0, 7.0, 7.0]])
    (found,) = gptq([weight], curvature, bits=4, group=4)
    integers, scales = found.values, found.scales
    assert integers.tolist() == [[7, 0, 1, 1], [1, 1, 7, 0], [-1, -1, 7, 0], [7, 7, 7, 7]]
    assert scales.flatten().tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize(("bits", "group"), [(4, 32), (4, 64), (8, 128), (8, 256)])
def test_gptq_is_the_plain_algorithm(bits: int, group: int) -> None:
    """Integers and scales are those of the plain elimination but for close calls of rounding."""
    weight, hessian = _problem(20, 256)
    curvature = Curvature.of(hessian, damping=0)
    (found,) = gptq([weight], curvature, bits, group)
    integers, scales = found.values, found.scales
    expected, expected_scales = _plain(weight, hessian, bits, group)
    assert (scales.double() == expected_scales).double().mean() > 0.99
    assert (integers == expected).double().mean() > 0.99
    assert (integers - expected).abs().max() <= 1


def test_layers_quantized_together_come_out_as_alone() -> None:
    """Sharing a Hessian shares nothing else."""
    weight, hessian = _problem(20, 128)
    curvature = Curvature.of(hessian)
    together = gptq([weight[:5], weight[5:]], curvature, 4, 64)
    for found, given in zip(together, (weight[:5], weight[5:]), strict=True):
        (alone,) = gptq([given], curvature, 4, 64)
        assert torch.equal(found.values, alone.values) and torch.equal(found.scales, alone.scales)


def test_the_most_important_column_goes_first() -> None:
    """Of two columns that can make up for each other the one with more input keeps its nearest value."""
    hessian = torch.tensor([[1.0, 1.8], [1.8, 4.0]])
    weight = torch.tensor([[1.4, 0.4, 7.0, 0.0]])
    (found,) = gptq([weight], Curvature.of(torch.block_diag(hessian, PAIR), damping=0), 4, 4)
    # 0.4 becomes 0; the first column takes over 0.4 x 1.8 and becomes 2 instead of 1.
    assert found.values.tolist() == [[2, 0, 7, 0]]


@pytest.mark.parametrize("bits", [4, 8])
def test_gptq_beats_plain_rounding(bits: int) -> None:
    """With the very same scales the output error is clearly below that of rounding to the nearest."""
    weight, hessian = _problem(64, 192, mixing=2.0)
    curvature = Curvature.of(hessian)
    (found,) = gptq([weight], curvature, bits, 64)
    wide = found.scales.repeat_interleave(64, dim=1)
    nearest = (weight / wide).round().clamp(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) * wide
    assert _loss(found.dense() - weight, hessian) < 0.8 * _loss(nearest - weight, hessian)


@pytest.mark.parametrize("symmetric", [True, False])
def test_what_shall_stay_zero_stays_zero(symmetric: bool) -> None:
    """The masked weights are zero to the bit, and the others still make up for it."""
    weight, hessian = _problem(20, 128)
    curvature = Curvature.of(hessian)
    keep = torch.rand(20, 128) > 0.5
    (found,) = gptq([weight * keep], curvature, 4, 64, [keep], symmetric)
    assert (found.dense()[~keep] == 0).all()
    (free,) = gptq([weight * keep], curvature, 4, 64, None, symmetric)
    assert (free.dense()[~keep] != 0).any()
    assert found.scales.isfinite().all()


def test_a_scale_is_stored_as_it_is_used() -> None:
    """Scales are numbers of 16 bits already, and a group of zeros has one that is not zero."""
    columns = torch.randn(64, 30)
    columns[:, 3] = 0
    scales, _ = group_scales(columns, torch.ones(64), 4)
    assert torch.equal(scales, scales.bfloat16().float())
    assert (scales > 0).all()


def test_an_outlier_without_weight_is_clipped() -> None:
    """A range is narrowed where that costs less, and what a column costs decides."""
    column = torch.linspace(-0.5, 0.5, 64)[:, None].clone()
    column[10] = 1.0
    counted = torch.ones(64)
    unimportant = counted.clone()
    unimportant[10] = 0
    important = (column[:, 0] == 1).float()
    assert group_scales(column, unimportant, 4)[0] < group_scales(column, important, 4)[0]


def test_eight_bit_floats_are_within_a_sixteenth() -> None:
    """Three mantissa bits: each normal value is off by at most a sixteenth, the largest of a row at the end."""
    weight = torch.randn(4, 64)
    weight[2] = 0
    found = to_float8(weight)
    values, scales, back = found.values, found.scales, found.dense()
    assert values.dtype is torch.float8_e4m3fn
    assert ((back - weight).abs() <= weight.abs() / 16 + scales * 2**-9).all()
    assert values.float().abs().amax(dim=1).tolist() == pytest.approx([448, 448, 0, 448], rel=0.07)
