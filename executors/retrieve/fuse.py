"""Two searches merged: by the reciprocals of ranks, or by their scores on a common scale.

Ranks (Cormack et al. 2009) need no tuning and forget how far apart two passages are; a convex combination of normalised
scores (Bruch et al. 2023, An Analysis of Fusion Functions for Hybrid Retrieval, section 3) keeps that, for one weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

K = 60
"""The constant of Cormack et al.: how little the first ranks outweigh those after them."""
LOWEST_COSINE = -1.0


def fuse(
    lists: Sequence[Sequence[tuple[int, float]]], weights: Sequence[float] | None = None
) -> list[tuple[int, float]]:
    """(row, merged score) of every row in any list, best first; rows of one score by their number."""
    scores: dict[int, float] = {}
    for ranked, weight in zip(lists, weights or [1.0] * len(lists), strict=True):
        for rank, (row, _) in enumerate(ranked, start=1):
            scores[row] = scores.get(row, 0.0) + weight / (K + rank)
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def combined(cosines: Any, keywords: Any, share: float) -> Any:
    """Scores of rows, float32 of shape (..., rows): `share` of the cosine and the rest of BM25, each on its own scale.

    A scale runs from the lowest score there can be (-1 for cosines, 0 for BM25) to the highest of the row's question.
    """
    import numpy

    meaning = (cosines - LOWEST_COSINE) / (cosines.max(-1, keepdims=True) - LOWEST_COSINE)
    words = keywords / numpy.maximum(keywords.max(-1, keepdims=True), 1e-9)
    return share * meaning + (1 - share) * words
