"""The order of training."""

from __future__ import annotations

import pytest

from executors.datasets.render import Encoded
from executors.training.order import collate, count_steps, order_rows

LENGTHS = [5 + (number * 37) % 90 for number in range(203)]


def test_each_row_comes_once_before_any_comes_again() -> None:
    """Over two passes every row is seen twice, whatever the batch."""
    order = order_rows(LENGTHS, 7, 58, seed=3)
    assert len(order) == 406
    assert sorted(order) == sorted([*range(203), *range(203)])


def test_the_longest_batch_is_first() -> None:
    """The first batch holds the longest row, so that short memory shows at once."""
    assert max(LENGTHS[row] for row in order_rows(LENGTHS, 8, 25, seed=0)[:8]) == max(LENGTHS)


def test_batches_hold_rows_of_like_length() -> None:
    """Padding stays below a tenth of the tokens where random batches would need about two fifths."""
    order = order_rows(LENGTHS, 8, 25, seed=0)
    batches = [[LENGTHS[row] for row in order[at : at + 8]] for at in range(0, 200, 8)]
    padded = sum(max(batch) * len(batch) for batch in batches)
    assert padded < 1.1 * sum(sum(batch) for batch in batches)


def test_the_seed_alone_decides() -> None:
    """The same seed gives the same order, another one another."""
    assert order_rows(LENGTHS, 8, 25, 1) == order_rows(LENGTHS, 8, 25, 1) != order_rows(LENGTHS, 8, 25, 2)


@pytest.mark.parametrize(
    ("rows", "batch", "epochs", "given", "steps"),
    [(100, 8, 1.0, None, 13), (100, 8, 2.5, None, 32), (100, 8, 1.0, 5, 5), (3, 8, 1.0, None, 1)],
)
def test_steps_follow_from_epochs_unless_given(
    rows: int, batch: int, epochs: float, given: int | None, steps: int
) -> None:
    """`max_steps` takes precedence; otherwise the passes are counted in whole batches, at least one."""
    assert count_steps(rows, batch, epochs, given) == steps


def test_few_rows_fill_a_batch() -> None:
    """Fewer rows than a batch are repeated to fill it."""
    order = order_rows([4, 4, 4], 8, 1, 0)
    assert sorted(order.count(row) for row in range(3)) == [2, 3, 3]


def test_padding_is_on_the_right_and_not_learnt() -> None:
    """Shorter rows are padded on the right, masked, and labelled -100 there."""
    batch = collate([Encoded([1, 2, 3], [-100, 2, 3], 0), Encoded([4], [4], 1)], pad=9)
    assert batch["input_ids"].tolist() == [[1, 2, 3], [4, 9, 9]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["labels"].tolist() == [[-100, 2, 3], [4, -100, -100]]
