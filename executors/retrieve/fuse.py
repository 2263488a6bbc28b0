"""Ranked lists merged by the reciprocals of their ranks (Cormack et al. 2009): scores need not compare."""

from __future__ import annotations

from collections.abc import Sequence

K = 60
"""The constant of the paper: how little the first ranks outweigh those after them."""


def fuse(
    lists: Sequence[Sequence[tuple[int, float]]], weights: Sequence[float] | None = None
) -> list[tuple[int, float]]:
    """(row, merged score) of every row in any list, best first; rows of one score by their number."""
    scores: dict[int, float] = {}
    for ranked, weight in zip(lists, weights or [1.0] * len(lists), strict=True):
        for rank, (row, _) in enumerate(ranked, start=1):
            scores[row] = scores.get(row, 0.0) + weight / (K + rank)
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))
