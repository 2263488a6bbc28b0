"""advisor/cli/plot.py: a plot that fills its place and shows the shape."""

from __future__ import annotations

import pytest

from advisor.cli.plot import braille_plot, spark

EMPTY = "\u2800"


@pytest.mark.parametrize(
    "points", [[], [(0.0, 1.0)], [(0.0, 2.0), (0.0, 2.0)], [(float(x), 1.0 / (x + 1)) for x in range(5000)]]
)
@pytest.mark.parametrize(("width", "height"), [(1, 1), (10, 3), (80, 6)])
def test_size(points: list[tuple[float, float]], width: int, height: int) -> None:
    """Whatever the points, it has exactly the size asked for."""
    lines = braille_plot(points, width, height)
    assert [len(line) for line in lines] == [width] * height


def test_falling_line_goes_down() -> None:
    """The first point of a falling line is in the top row, the last in the bottom row, and no column is empty."""
    lines = braille_plot([(0.0, 1.0), (1.0, 0.0)], 10, 4)
    assert lines[0][0] != EMPTY
    assert lines[-1][-1] != EMPTY
    assert lines[0][-1] == lines[-1][0] == EMPTY
    assert all(any(line[column] != EMPTY for line in lines) for column in range(10))


def test_no_number_is_left_out() -> None:
    """NaN and infinity neither appear nor decide the scale."""
    points = [(0.0, 1.0), (1.0, float("nan")), (2.0, float("inf")), (3.0, 0.0)]
    assert braille_plot(points, 4, 2) == braille_plot([(0.0, 1.0), (3.0, 0.0)], 4, 2)


def test_spark() -> None:
    """The last values as blocks, the top a full one; nothing above the top overflows."""
    assert spark([0, 5, 10, 99], 3, 10) == "▅██"
    assert spark([1], 3, 0) == "▁"
