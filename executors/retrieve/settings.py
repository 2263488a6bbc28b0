"""How an index is searched, and what `index.json` says. Loads no heavy library."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from advisor.domain.base import Frozen, Lenient
from executors.retrieve.chunks import Chunking
from executors.retrieve.rewrite import Rewrite
from executors.retrieve.server import Server

FILE = "index.json"
CHUNKS = "chunks.sqlite"
VECTORS = "vectors.f32"
EMBEDDER = "embedder"
"""Folder inside an index that holds its own, fine-tuned embedding model."""


class Search(Frozen):
    """What happens between a question and the passages put before the model."""

    by: Literal["dense", "keyword", "hybrid"] = "dense"
    """`hybrid`: both, merged by their scores; by their ranks where no share is known."""
    dense_share: float | None = Field(default=None, ge=0, le=1)
    """What the cosine counts in a hybrid search, the rest is BM25's; None: chosen on training questions when the index
    is made."""
    k: int = Field(default=3, ge=1, le=50)
    """Passages put before the model."""
    pool: int = Field(default=50, ge=1, le=1000)
    """Passages that each search brings, before they are merged, sorted again and cut to `k`."""
    rerank: Literal["none", "late-interaction", "cross-encoder"] = "none"
    """The first of them are read again: token by token with the embedding model, or by a `reranker`."""
    reranker: str | None = None
    """Folder of a cross-encoder."""
    rewrite: Rewrite = "none"
    """What the model writes of a question before it is searched; searched as it is where no model is at hand."""
    agent_steps: int = Field(default=0, ge=0, le=10)
    """Further look-ups that the model may decide on for one question; 0, or no model at hand: none."""
    half_life_days: float | None = Field(default=None, gt=0)
    """Days in which the part of a score that fades with age halves; None: dates do not count."""

    @model_validator(mode="after")
    def _names_its_reranker(self) -> Search:
        if (self.rerank == "cross-encoder") != (self.reranker is not None):
            raise ValueError("`rerank: cross-encoder` and `reranker`, the folder of one, go together")
        return self


class IndexFile(Lenient):
    """`index.json`."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    embedder: str
    """A `builtin:` id, an absolute folder, or `embedder`: the folder inside the index."""
    embedder_sha256: str
    dimension: int = Field(ge=1, le=65_536)
    chunks: int = Field(ge=1)
    documents: int = Field(ge=1)
    chunking: Chunking
    search: Search
    reranker_sha256: str | None = None
    """Of the weights of its cross-encoder; None where it has none."""
    store: Server | None = None
    """The server that holds the vectors; None: `vectors.f32`."""
