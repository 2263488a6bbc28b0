"""Chooses how much the cosine counts beside BM25, on questions that are not measured afterwards.

Bruch et al. 2023 find a convex combination better than reciprocal ranks once its one weight is fitted to some questions
of the domain. Here they are generated from the documents, from the training side of the split alone. The ends of the
grid are the two searches by themselves: on these questions the choice is never worse than either.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from executors.documents.questions import Question
from executors.protocol import Say, Stopped
from executors.retrieve.bm25 import best
from executors.retrieve.fuse import combined

if TYPE_CHECKING:
    from executors.retrieve.index import Index

QUESTIONS = 200
"""Training questions that are looked at."""
SHARES = tuple(step / 20 for step in range(21))
LOOKED_AT = 10


def split(questions: Sequence[Question]) -> tuple[Sequence[Question], Sequence[Question]]:
    """Training questions that embeddings may be fine-tuned on, and those that the share is chosen on."""
    count = min(QUESTIONS, len(questions) // 4)
    return questions[: len(questions) - count], questions[len(questions) - count :]


def choose_share(index: Index, questions: Sequence[Question], say: Say) -> float | None:
    """The share under which questions are answered by the highest places; None where there are no questions.

    Judged by the mean reciprocal rank in the first ten; of equals the middle one. Raises Stopped when asked to.
    """
    ranks: list[list[float]] = []
    for number, question in enumerate(questions):
        if say.should_stop():
            raise Stopped
        say.progress(number, len(questions), "examples", "weighing the two searches")
        ranks.append(_reciprocals(index, question))
    if not ranks:
        return None
    means = [sum(column) / len(ranks) for column in zip(*ranks, strict=True)]
    equal = [share for share, mean in zip(SHARES, means, strict=True) if mean >= max(means) - 1e-9]
    share = equal[len(equal) // 2]
    say.log(
        f"hybrid search: {share:.2f} of the cosine; mean reciprocal rank {max(means):.3f} on {len(ranks)} training"
        f" questions, {means[0]:.3f} by keyword alone, {means[-1]:.3f} by meaning alone"
    )
    return share


def _reciprocals(index: Index, question: Question) -> list[float]:
    """The reciprocal rank of the first passage that answers the question, under each share."""
    places, cosines, keywords = index.both(question.text, index.about.search.pool)
    known: dict[int, bool] = {}
    found = []
    for share in SHARES:
        order = best(combined(cosines, keywords, share), min(LOOKED_AT, len(cosines)))
        rows = [at if places is None else int(places[at]) for at, _ in order]
        new = [row for row in rows if row not in known]
        known |= {row: question.is_in(_whole(chunk)) for row, chunk in zip(new, index.store.get(new), strict=True)}
        found.append(next((1 / rank for rank, row in enumerate(rows, start=1) if known[row]), 0.0))
    return found


def _whole(chunk: Any) -> str:
    return f"{chunk.heading}\n{chunk.text}" if chunk.heading else str(chunk.text)
