"""Tests of executors.prune.scores, on matrices small enough to check by hand."""

from __future__ import annotations

import pytest
import torch

from executors.prune.scores import (
    input_norms,
    keep_per_layer,
    keep_per_row,
    keep_two_of_four,
    magnitude_scores,
    wanda_scores,
)

WEIGHT = torch.tensor([[4.0, -1.0, 2.0, -3.0], [1.0, 2.0, -3.0, 4.0], [-8.0, 7.0, 6.0, 5.0], [0.1, 0.2, 0.3, -0.4]])
INPUTS = torch.tensor([[3.0, 0.0, 1.0, 2.0], [4.0, 1.0, 1.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 1.0, 0.0]])


def _bits(text: str) -> torch.Tensor:
    return torch.tensor([[digit == "1" for digit in row] for row in text.split()])


def test_norms_are_per_feature_over_all_tokens() -> None:
    """Columns (3,4,0,0), (0,1,0,0), (1,1,1,1), (2,0,0,0) have norms 5, 1, 2, 2, in batches too."""
    expected = torch.tensor([5.0, 1.0, 2.0, 2.0])
    assert torch.equal(input_norms(INPUTS), expected)
    assert torch.equal(input_norms(INPUTS.reshape(2, 2, 4).bfloat16()), expected)


def test_wanda_weighs_magnitude_with_the_input() -> None:
    """|W| times the norms 5, 1, 2, 2, entry by entry."""
    expected = torch.tensor([[20.0, 1, 4, 6], [5, 2, 6, 8], [40, 7, 12, 10], [0.5, 0.2, 0.6, 0.8]])
    torch.testing.assert_close(wanda_scores(WEIGHT, input_norms(INPUTS)), expected)


def test_wanda_keeps_the_best_half_of_each_row() -> None:
    """With the input's norms the kept places differ from those by magnitude, row by row."""
    scores = wanda_scores(WEIGHT, input_norms(INPUTS))
    assert torch.equal(keep_per_row(scores, 0.5), _bits("1001 0011 1010 0011"))
    assert torch.equal(keep_per_row(magnitude_scores(WEIGHT), 0.5), _bits("1001 0011 1100 0011"))


def test_magnitude_compares_within_the_layer() -> None:
    """Over the whole matrix the small rows lose everything and the large row nothing."""
    assert torch.equal(keep_per_layer(magnitude_scores(WEIGHT), 0.5), _bits("1001 0011 1111 0000"))


def test_two_of_four_keeps_the_best_two_of_each_group() -> None:
    """Groups of four neighbours are ranked on their own."""
    scores = torch.tensor([[1.0, 2, 3, 4, 8, 7, 6, 5], [0, 0, 0, 0, 1, 0, 0, 0]])
    assert torch.equal(keep_two_of_four(scores), _bits("00111100 11001100"))


@pytest.mark.parametrize("sparsity", [0.1, 0.25, 0.5, 0.9])
def test_ties_never_change_the_count(sparsity: float) -> None:
    """Rows full of equal scores, zeros included, still lose exactly the asked number."""
    scores = torch.tensor([[1.0] * 20, [0.0] * 20, [0.0] * 15 + [1.0] * 5])
    kept = keep_per_row(scores, sparsity).sum(dim=1)
    assert kept.tolist() == [20 - round(20 * sparsity)] * 3


def test_what_is_zero_already_is_dropped_first() -> None:
    """Pruning a sparse row again keeps its non-zero weights."""
    scores = torch.tensor([[0.0, 5.0, 0.0, 6.0]])
    assert torch.equal(keep_per_row(scores, 0.5), _bits("0101"))
