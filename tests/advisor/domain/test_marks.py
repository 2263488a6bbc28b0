"""Marks of answers."""

from __future__ import annotations

from typing import Any

import pytest

from advisor.domain.marks import mark_of
from executors.datasets.marked_shapes import BadRecord, to_feedback


@pytest.mark.parametrize(
    ("value", "mark"),
    [(True, True), (0, False), (1, True), ("True", True), (" false ", False), ("0", False)]
    + [(value, None) for value in (2, 0.5, "maybe", "", None, [True])],
)
def test_a_mark_is_true_or_false_in_any_spelling(value: Any, mark: bool | None) -> None:
    """JSON's truth values, 1 and 0, and both as a table spells them are marks; the rows that are learnt from take
    the same ones and refuse any other."""
    assert mark_of(value) is mark
    record = {"prompt": "q", "completion": "a", "label": value}
    if mark is None:
        with pytest.raises(BadRecord, match="not true or false"):
            to_feedback(record, ())
    else:
        assert to_feedback(record, ()).is_good is mark
