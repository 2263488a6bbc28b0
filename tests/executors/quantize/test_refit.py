"""Tests of executors.quantize.refit: by hand on 4x4, and against many other scales."""

from __future__ import annotations

import pytest
import torch

from executors.quantize.refit import refit_scales
from executors.quantize.rounded import Rounded
from executors.quantize.rounding import Curvature, gptq
from tests.executors.quantize.layers import losses, problem


def test_four_by_four_by_hand() -> None:
    """With independent inputs a scale is the projection of a group on its integers; one of zeros keeps its own."""
    weight = torch.tensor([[2.2, 1.1, 3.0, 0.0], [1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 3.0, 6.0], [4.0, 2.0, 1.5, 1.5]])
    values = torch.tensor([[2, 1, 2, 0], [1, 1, 1, 1], [0, 0, 1, 2], [4, 2, 1, 1]], dtype=torch.int8)
    found = refit_scales(Rounded(values, torch.full((4, 2), 1.6)), weight, torch.eye(4), damping=0)
    expected = torch.tensor([[1.1, 1.5], [1.0, 1.0], [1.6, 3.0], [1.0, 1.5]])
    assert torch.allclose(found.scales, expected, rtol=0.005)
    assert torch.equal(found.values, values)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("bits", [3, 4])
def test_the_output_error_falls_in_every_row(bits: int, symmetric: bool) -> None:
    """The fitted scales beat those found beforehand, and slightly changed ones, zeros counted where there are some."""
    weight, hessian = problem(300, 128)
    (chosen,) = gptq([weight], Curvature.of(hessian), bits, 32, None, symmetric)
    fitted = refit_scales(chosen, weight, hessian, damping=0)
    before, after = losses(chosen, weight, hessian), losses(fitted, weight, hessian)
    assert float((after <= before * 1.001).float().mean()) > 0.99
    assert float(after.sum()) < 0.97 * float(before.sum())
    for factor in (0.97, 1.03):
        for group in range(fitted.scales.shape[1]):
            scales = fitted.scales.clone()
            scales[:, group] *= factor
            other = losses(Rounded(fitted.values, scales, fitted.zeros), weight, hessian)
            assert float((other > after).float().mean()) > 0.95


def test_scales_are_stored_as_they_are_used_and_stay_near() -> None:
    """They are positive numbers of 16 bits; a row whose scales would run away is left alone."""
    weight, hessian = problem(40, 64)
    (chosen,) = gptq([weight], Curvature.of(hessian), 4, 32)
    fitted = refit_scales(chosen, weight, hessian)
    assert torch.equal(fitted.scales, fitted.scales.bfloat16().float()) and bool((fitted.scales > 0).all())
    wrong = refit_scales(Rounded(chosen.values, chosen.scales * 5), weight, hessian)
    assert torch.equal(wrong.scales, chosen.scales * 5)


def test_no_row_gets_worse_where_scales_have_fewer_digits_than_integers() -> None:
    """At eight bits the best scales, rounded as they are stored, may be worse than those there were: these stay."""
    weight, hessian = problem(300, 256)
    (chosen,) = gptq([weight], Curvature.of(hessian), 8, 16)
    fitted = refit_scales(chosen, weight, hessian, damping=0)
    before, after = losses(chosen, weight, hessian), losses(fitted, weight, hessian)
    assert bool((after <= before * 1.001).all())
    assert bool((fitted.scales == chosen.scales).all(dim=1).any())


def test_rows_do_not_depend_on_each_other() -> None:
    """A row fitted alone gets the scales it gets among others."""
    weight, hessian = problem(300, 64)
    (chosen,) = gptq([weight], Curvature.of(hessian), 4, 32)
    together = refit_scales(chosen, weight, hessian).scales[280:]
    alone = refit_scales(Rounded(chosen.values[280:], chosen.scales[280:]), weight[280:], hessian).scales
    assert torch.allclose(together, alone, rtol=0.005)
