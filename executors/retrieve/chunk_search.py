"""Chooses how documents are cut by trying: which cutting brings the answers into a fixed number of tokens.

Judged on training questions about a sample of the documents. The room is counted in tokens, not in passages: otherwise
the largest passages would always win.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from advisor.domain.base import Frozen
from advisor.domain.errors import AdvisorError
from executors.datasets.rows import hashed
from executors.documents import Document, Source, list_sources, read_source
from executors.documents.questions import Question
from executors.protocol import Say, Stopped
from executors.retrieve.chunks import Chunk, Chunking, cut

if TYPE_CHECKING:
    from executors.models.embedding import Embedder

SEARCHED = 50
"""Passages looked at for one question."""


class ChunkSearch(Frozen):
    """What is tried, and on how much."""

    sizes: tuple[int, ...] = Field(default=(64, 128, 224), min_length=1)
    """Tokens of the embedding model; those it cannot read are left out."""
    overlaps: tuple[float, ...] = Field(default=(0.0, 0.15), min_length=1)
    documents: int = Field(default=12, ge=1)
    questions: int = Field(default=60, ge=1)
    room: int = Field(default=512, ge=16)
    """Tokens of passages that are put before the model."""


def choose_chunking(
    search: ChunkSearch, path: str, embedder: Embedder, asked: Sequence[Question], say: Say
) -> Chunking:
    """The cutting under which most questions are answered within `room` tokens; of equals the first tried.

    Raises AdvisorError when no question is about the sample, Stopped when asked to.
    """
    documents = sample(path, search.documents)
    names = {document.source for document in documents}
    questions = [question for question in asked if question.source in names][: search.questions]
    if not questions:
        raise AdvisorError("chunks cannot be chosen", why="no question is about the documents that were looked at")
    tried = [
        Chunking(by=by, size=size, overlap=overlap)
        for by in ("structure", "length")
        for size in search.sizes
        for overlap in search.overlaps
        if size <= embedder.room
    ]
    scores = []
    for number, chunking in enumerate(tried):
        if say.should_stop():
            raise Stopped
        say.progress(number, len(tried), "steps", "trying ways to cut")
        chunks = [chunk for document in documents for chunk in cut(document, chunking, embedder.count)]
        scores.append(_answered(chunks, questions, embedder, search.room))
        told = f"{chunking.by}, {chunking.size} tokens, overlap {chunking.overlap:.0%}"
        say.log(f"{told}: {scores[-1]:.3f} of {len(questions)} questions answered within {search.room} tokens")
    return tried[scores.index(max(scores))]


def sample(path: str, most: int) -> list[Document]:
    """Documents chosen by the hash of their name: the same ones every time."""
    from executors.documents.child import Reader

    found = [source for source in list_sources(path) if isinstance(source, Source)]
    found.sort(key=lambda source: hashed(f"sample:{source.name}"))
    with Reader() as reader:
        read = [read_source(source, reader) for source in found[:most]]
    return [document for document in read if isinstance(document, Document)]


def _answered(chunks: Sequence[Chunk], questions: Sequence[Question], embedder: Embedder, room: int) -> float:
    """Share of the questions that one of the nearest passages answers before `room` tokens are full."""
    texts = [chunk.embedded for chunk in chunks]
    tokens = embedder.count(texts)
    scores = embedder.queries([question.text for question in questions]) @ embedder.documents(texts).T
    right = 0
    for question, row in zip(questions, scores, strict=True):
        left = room
        for at in (-row).argsort(kind="stable")[:SEARCHED]:
            left -= tokens[at]
            if left < 0:
                break
            if question.is_in(texts[at]):
                right += 1
                break
    return right / len(questions)
