"""`Passage`: a part of a document that was found for a question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from executors.retrieve.store import StoredChunk


@dataclass(frozen=True, slots=True)
class Passage:
    """`number`: 1 for the best; the model cites it as [number]. `row`: its place in the index."""

    number: int
    score: float
    text: str
    heading: str
    source: str
    title: str
    date: str
    row: int

    @property
    def whole(self) -> str:
        """The text under its headings."""
        return f"{self.heading}\n{self.text}" if self.heading else self.text


def numbered(chunks: Sequence[StoredChunk], scores: Sequence[float]) -> list[Passage]:
    """Passages numbered from 1 in the order given."""
    return [
        Passage(number, score, c.text, c.heading, c.source, c.title, c.date, c.row)
        for number, (c, score) in enumerate(zip(chunks, scores, strict=True), start=1)
    ]
