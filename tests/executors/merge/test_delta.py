"""Tests of executors.merge.delta, on matrices small enough to check by hand."""

from __future__ import annotations

import torch

from executors.merge.delta import add_dora, add_lora, lora_delta, lora_scale

WEIGHT = torch.diag(torch.tensor([1.0, 2.0, 3.0, 4.0]))
A = torch.tensor([[1.0, 0.0, 2.0, 0.0]])
B = torch.tensor([[0.0], [1.0], [-1.0], [0.5]])


def test_lora_adds_the_scaled_product() -> None:
    """With alpha 8 and rank 2 the scale is 4; B A has its rows 0, A, -A, A/2."""
    assert lora_scale(8, 2, is_rank_stabilized=False) == 4
    expected = torch.tensor([[1.0, 0, 0, 0], [4, 2, 8, 0], [-4, 0, -5, 0], [2, 0, 4, 4]])
    assert torch.equal(add_lora(WEIGHT, lora_delta(A, B, 4.0)), expected)


def test_rank_stabilised_scale_divides_by_the_root() -> None:
    """rsLoRA divides alpha by the square root of the rank."""
    assert lora_scale(8, 16, is_rank_stabilized=True) == 2


def test_dora_gives_every_row_its_learned_length() -> None:
    """Rows keep the direction of the sum and take the length of the magnitude vector."""
    magnitude = torch.tensor([2.0, 1.0, 5.0, 6.0])
    changed = add_dora(WEIGHT, lora_delta(A, B, 1.0), magnitude)
    torch.testing.assert_close(changed.norm(dim=1), magnitude)
    torch.testing.assert_close(changed[0], torch.tensor([2.0, 0, 0, 0]))
    torch.testing.assert_close(changed[3], torch.tensor([0.5, 0, 1.0, 4.0]) * 6 / 17.25**0.5)


def test_an_untrained_dora_changes_nothing() -> None:
    """With B zero and the magnitude at the rows' own lengths the weight stays as it is."""
    assert torch.equal(add_dora(WEIGHT, lora_delta(A, torch.zeros_like(B), 4.0), WEIGHT.norm(dim=1)), WEIGHT)
