"""A line plot in braille: four rows and two columns of dots per character. Plain text; it knows no terminal."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bits of the braille block by row and column (Unicode 15, U+2800)."""
BLOCKS = "▁▂▃▄▅▆▇█"


def braille_plot(points: Sequence[tuple[float, float]], width: int, height: int) -> list[str]:
    """`height` lines of `width` characters through the finite points (x ascending), scaled to fill them."""
    finite = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
    cells = [[0] * width for _ in range(height)]
    if finite and width > 0 and height > 0:
        columns, rows = width * 2, height * 4
        heights = _per_column(finite, columns)
        low, high = min(y for _, y in finite), max(y for _, y in finite)
        span = high - low or 1.0
        before: int | None = None
        for column, value in enumerate(heights):
            if value is None:
                continue
            row = round((high - value) / span * (rows - 1)) if high > low else rows // 2
            for dot in _between(before, row):
                cells[dot // 4][column // 2] |= _DOTS[dot % 4][column % 2]
            before = row
    return ["".join(chr(0x2800 + cell) for cell in line) for line in cells]


def spark(values: Sequence[float], width: int, top: float) -> str:
    """The last `width` values as block characters, `top` being a full block."""
    shown = list(values)[-width:]
    return "".join(BLOCKS[min(7, max(0, int(value / top * 8)))] if top > 0 else BLOCKS[0] for value in shown)


def _per_column(points: list[tuple[float, float]], columns: int) -> list[float | None]:
    """The mean of the points that fall on each column, gaps between two known columns drawn straight."""
    first, last = points[0][0], points[-1][0]
    span = last - first or 1.0
    sums, counts = [0.0] * columns, [0] * columns
    for x, y in points:
        at = min(columns - 1, max(0, int((x - first) / span * (columns - 1))))
        sums[at] += y
        counts[at] += 1
    means = [total / count if count else None for total, count in zip(sums, counts, strict=True)]
    known = [at for at, value in enumerate(means) if value is not None]
    for left, right in itertools.pairwise(known):
        start, end = means[left], means[right]
        assert start is not None and end is not None
        for at in range(left + 1, right):
            means[at] = start + (end - start) * (at - left) / (right - left)
    return means


def _between(before: int | None, row: int) -> range:
    if before is None or before == row:
        return range(row, row + 1)
    return range(before + 1, row + 1) if before < row else range(row, before)
