"""`open_index`: a written index, searched by meaning, by keyword, or both."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from advisor.domain.errors import AdvisorError
from executors.artifact import verify
from executors.models.cross_encoder import CrossEncoder, find_cross_encoder, load_cross_encoder
from executors.models.embedding import Embedder, find_embedder, load_embedder
from executors.models.encoder import weights_hash
from executors.retrieve.bm25 import KeywordIndex, best
from executors.retrieve.fresh import freshened
from executors.retrieve.fuse import combined, fuse
from executors.retrieve.passage import Passage, numbered
from executors.retrieve.rerank import MOST, cross_encoded, late_interaction
from executors.retrieve.server import Collection
from executors.retrieve.settings import CHUNKS, EMBEDDER, FILE, VECTORS, IndexFile, Search
from executors.retrieve.store import ChunkStore


class Index:
    """An index that is searched. Opening it maps its files; the embedding model is loaded with the first search."""

    def __init__(self, folder: Path, about: IndexFile) -> None:
        import numpy

        self.folder, self.about = folder, about
        self.store = ChunkStore(folder / CHUNKS)
        self.collection = Collection(about.store) if about.store is not None else None
        self.vectors: Any = None
        """float32 of shape (chunks, dimension), mapped; None where a server holds them."""
        if self.collection is None:
            shape = (about.chunks, about.dimension)
            self.vectors = numpy.memmap(folder / VECTORS, dtype=numpy.float32, mode="r", shape=shape)
        self.keywords = KeywordIndex(folder, about.chunks)
        self._rerankers: dict[str, CrossEncoder] = {}

    @cached_property
    def embedder(self) -> Embedder:
        """The model its passages were embedded with. Raises AdvisorError when it is missing or another."""
        path = str(self.folder / EMBEDDER) if self.about.embedder == EMBEDDER else self.about.embedder
        self._require_same(find_embedder(path), self.about.embedder_sha256, "embedding model")
        return load_embedder(path)

    def reranker(self, path: str) -> CrossEncoder:
        """A cross-encoder. Raises AdvisorError when it is missing, or is the one of this index and has changed."""
        if path not in self._rerankers:
            if path == self.about.search.reranker and self.about.reranker_sha256 is not None:
                self._require_same(find_cross_encoder(path), self.about.reranker_sha256, "cross-encoder")
            self._rerankers[path] = load_cross_encoder(path)
        return self._rerankers[path]

    def _require_same(self, folder: Path, sha256: str, what: str) -> None:
        if weights_hash(folder) != sha256:
            raise AdvisorError(
                f"{folder} is not the {what} that {self.folder} was made with",
                why="its weights have another SHA-256",
                hint="build the index again",
            )

    def search(
        self, question: str, k: int | None = None, settings: Search | None = None, also: Sequence[str] = ()
    ) -> list[Passage]:
        """The best `k` passages for a question (as many as the index was made for), best first.

        `also`: other wordings that are searched too; the question itself weighs as much as all of them together.
        """
        settings = settings or self.about.search
        found = self.candidates(question, settings)
        if also:
            lists = [found, *(self.candidates(each, settings) for each in also)]
            found = fuse(lists, [1.0, *[1.0 / len(also)] * len(also)])
        ranked = found[: k or settings.k]
        return numbered(self.store.get([row for row, _ in ranked]), [score for _, score in ranked])

    def candidates(
        self, question: str, settings: Search, within: Sequence[int] | None = None
    ) -> list[tuple[int, float]]:
        """(row, score), best first, at most `pool` of each search. `within`: the rows that may be found; None: all."""
        found = self._found(question, settings, within)
        if settings.rerank != "none" and found:
            texts = [numbered([chunk], [0.0])[0].whole for chunk in self.store.get([row for row, _ in found[:MOST]])]
            if settings.reranker is not None:
                found = cross_encoded(self.reranker(settings.reranker), question, texts, found)
            else:
                found = late_interaction(self.embedder, question, texts, found)
        if settings.half_life_days is not None and found:
            dates = [chunk.date for chunk in self.store.get([row for row, _ in found])]
            found = freshened(found, dates, settings.half_life_days, self.newest)
        return found

    def _found(self, question: str, settings: Search, within: Sequence[int] | None) -> list[tuple[int, float]]:
        if within is not None and not len(within):
            return []
        if settings.by == "keyword":
            return self._by_words(question, settings.pool, within)
        if settings.by == "dense":
            return self.dense(self.embedder.queries([question])[0], settings.pool, within)
        if settings.dense_share is None:
            vector = self.embedder.queries([question])[0]
            return fuse([self.dense(vector, settings.pool, within), self._by_words(question, settings.pool, within)])
        rows, cosines, keywords = self.both(question, settings.pool, within)
        found = best(combined(cosines, keywords, settings.dense_share), min(settings.pool, len(cosines)))
        return found if rows is None else [(int(rows[at]), score) for at, score in found]

    def both(self, question: str, pool: int, within: Sequence[int] | None = None) -> tuple[Any, Any, Any]:
        """Rows, their cosines and their BM25, for a hybrid search. Rows: None for all of them in their order.

        Where a server holds the vectors: the rows that either search brings among its first `pool`.
        """
        vector, keywords = self.embedder.queries([question])[0], self.keywords.scores(question)
        if self.vectors is not None:
            if within is None:
                return None, self.vectors @ vector, keywords
            return within, self.vectors[within] @ vector, keywords[within]
        import numpy

        near = dict(self.dense(vector, pool, within))
        others = [row for row, _ in self._by_words(question, pool, within) if row not in near]
        near |= dict(self.dense(vector, len(others), others)) if others else {}
        rows = sorted(near)
        return rows, numpy.array([near[row] for row in rows], dtype=numpy.float32), keywords[rows]

    def _by_words(self, question: str, k: int, within: Sequence[int] | None) -> list[tuple[int, float]]:
        scores = self.keywords.scores(question)
        if within is None:
            return best(scores, k, above=0.0)
        return [(int(within[at]), score) for at, score in best(scores[within], k, above=0.0)]

    @cached_property
    def newest(self) -> str:
        """The latest date of any document; empty when none has one."""
        return max((date for _, _, date in self.store.titles()), default="")

    @cached_property
    def folders(self) -> list[str]:
        """The first parts of its documents' names, for documents in folders; empty when any is in none."""
        names = [source.partition("/") for source in self.store.sources()]
        return sorted({first for first, _, _ in names}) if all(rest for _, _, rest in names) else []

    def dense(self, vector: Any, k: int, within: Sequence[int] | None = None) -> list[tuple[int, float]]:
        """(row, cosine) of the `k` passages nearest to a unit vector. `within`: the rows that may be found."""
        if self.collection is not None:
            return self.collection.search(vector, k, self.store.hashes, within)
        if within is None:
            return best(self.vectors @ vector, min(k, self.about.chunks))
        return [(int(within[at]), score) for at, score in best(self.vectors[within] @ vector, min(k, len(within)))]

    def close(self) -> None:
        """Release its files."""
        self.store.close()


def open_index(folder: Path, is_verified: bool = False) -> Index:
    """The index in `folder`, every byte checked against its manifest unless that is done already.

    Raises AdvisorError for a folder that is no index, or a damaged one. A server that holds its vectors is first asked
    when it is searched.
    """
    if not is_verified:
        found = verify(folder)
        if not found.is_whole:
            raise AdvisorError(f"{folder} is not a whole index", why=f"{found.file} {found.reason}")
    try:
        about = IndexFile.model_validate_json((folder / FILE).read_bytes())
        return Index(folder, about)
    except (OSError, ValueError, ValidationError) as error:
        raise AdvisorError(f"{folder} is not an index that can be searched", why=str(error).splitlines()[0]) from None
