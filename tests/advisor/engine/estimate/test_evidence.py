"""Estimates against published measurements: the targets, per group and in all."""

from __future__ import annotations

import pytest

from tests.bench.estimate_error import DEVELOPED, Row, compare, summary


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return compare()


def test_median_error_and_spread_over_all_rows(rows: list[Row]) -> None:
    """Over all measured rows the median error is at most 10 %, and nine in ten lie within 25 %."""
    found = summary([row for row in rows if row.measured is not None])
    assert found["rows"] >= 140
    assert found["median"] <= 0.10
    assert found["within_25"] >= 0.90


def test_held_out_rows_are_no_worse(rows: list[Row]) -> None:
    """The rows for which no count was changed meet the same targets."""
    held_out = summary([row for row in rows if row.measured is not None and row.group not in DEVELOPED])
    assert held_out["rows"] >= 40
    assert held_out["median"] <= 0.10
    assert held_out["within_25"] >= 0.90


def test_fits_or_not_is_right(rows: list[Row]) -> None:
    """Whether a run fits its GPU is told right in 95 % of the rows that name the GPU's memory."""
    verdicts = [row.is_judged_right for row in rows if row.is_judged_right is not None]
    assert len(verdicts) >= 140
    assert sum(verdicts) / len(verdicts) >= 0.95


def test_ranges_hold_what_was_measured(rows: list[Row]) -> None:
    """Nine measured peaks in ten lie inside the range that was given with the estimate."""
    assert summary([row for row in rows if row.measured is not None])["inside"] >= 0.90
