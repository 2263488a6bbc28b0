"""How right written answers are."""

from __future__ import annotations

import pytest

from executors.metrics.written import exact_match, f1


@pytest.mark.parametrize(
    ("answer", "wanted", "exact", "shared"),
    [
        ("`json.dumps(obj)`.", "json.dumps(obj)", 1.0, 1.0),
        ("Return the list", "return a list.", 1.0, 1.0),
        ("Return the sorted list", "Return list", 0.0, 0.8),
        ("Paris", "London", 0.0, 0.0),
        ("", "London", 0.0, 0.0),
    ],
)
def test_answers_are_compared(answer: str, wanted: str, exact: float, shared: float) -> None:
    """Case, quotes, articles and the last full stop do not count; shared words do."""
    assert exact_match(answer, wanted) == exact
    assert f1(answer, wanted) == pytest.approx(shared)
