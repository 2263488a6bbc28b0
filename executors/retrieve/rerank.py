"""Candidates sorted again by reading question and passage together.

A cross-encoder was trained to tell which passage answers, so its order stands. Late interaction as Khattab and Zaharia
2020 (ColBERT), section 3.3: each token of the question takes its nearest token of the passage, and these similarities
are averaged. The vectors are those of the index's own embedding model, which was not trained for it; the list it gives
is therefore merged with the one it was given, never put in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from executors.retrieve.fuse import fuse

if TYPE_CHECKING:
    from executors.models.cross_encoder import CrossEncoder
    from executors.models.embedding import Embedder

MOST = 20
"""Candidates that are read again; those behind them stay in their order."""


def late_interaction(
    embedder: Embedder, question: str, texts: Sequence[str], candidates: Sequence[tuple[int, float]]
) -> list[tuple[int, float]]:
    """(row, merged score) of the candidates, best first. `texts`: of the first `MOST` candidates at most."""
    asked = embedder.tokens([question], is_query=True)[0]
    scores = [
        float((asked @ tokens.T).max(1).values.mean()) if len(tokens) else 0.0 for tokens in embedder.tokens(texts)
    ]
    rows = [row for row, _ in candidates[: len(texts)]]
    again = sorted(zip(rows, scores, strict=True), key=lambda each: (-each[1], each[0]))
    return [*fuse([candidates[: len(texts)], again]), *candidates[len(texts) :]]


def cross_encoded(
    encoder: CrossEncoder, question: str, texts: Sequence[str], candidates: Sequence[tuple[int, float]]
) -> list[tuple[int, float]]:
    """(row, score from 0 to 1) of the candidates, best first. `texts`: of the first `MOST` candidates at most; those
    behind them stay in their order, with scores below."""
    rows = [row for row, _ in candidates[: len(texts)]]
    again = sorted(zip(rows, encoder.scores(question, texts), strict=True), key=lambda each: (-each[1], each[0]))
    behind = enumerate(candidates[len(texts) :], start=2)
    return [*again, *((row, again[-1][1] / number) for number, (row, _) in behind)]
