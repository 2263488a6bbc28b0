"""Builds an index in bounded memory: documents into chunks, chunks into vectors, block by block, each block durable.

Interrupted at any moment it goes on where the last block ended. An earlier index can be named: documents with the same
bytes are not read again, and passages with the same text are not embedded again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advisor.domain.errors import AdvisorError
from executors.documents import Document, Skipped, Source, list_sources, read_source
from executors.protocol import Say, Stopped
from executors.retrieve import bm25
from executors.retrieve.chunks import Chunking, cut
from executors.retrieve.server import POINTS_AT_ONCE, Collection
from executors.retrieve.settings import CHUNKS, VECTORS
from executors.retrieve.store import ChunkStore, texts_of

if TYPE_CHECKING:
    from executors.models.embedding import Embedder

BLOCK = 512
"""Chunks embedded between two durable saves: some seconds of work."""
DOCUMENTS_PER_COMMIT = 64


@dataclass(frozen=True)
class Earlier:
    """An index whose chunks and vectors may be taken over. `same_cut`: its documents were cut in the same way."""

    store: ChunkStore
    vectors: Any
    same_cut: bool


class Build:
    """An index under way in `scratch`. `say` is told how far it is and asked whether to stop."""

    def __init__(self, scratch: Path, embedder: Embedder, chunking: Chunking, embedder_sha256: str, say: Say) -> None:
        self._folder, self._embedder, self._chunking, self._say = scratch, embedder, chunking, say
        told = f"{embedder_sha256} {chunking.model_dump_json()}"
        self._identity = hashlib.sha256(told.encode()).hexdigest()
        self._store = self._opened()

    def run(self, path: str, earlier: Earlier | None = None) -> ChunkStore:
        """Everything but the last files. Raises AdvisorError when the documents hold no text, Stopped when asked to."""
        self.read(path, earlier)
        if not self._store.count("chunks"):
            first = next(iter(self._store.skipped()), None)
            why = f"{first.source}: {first.reason}" if first else "the folder is empty"
            raise AdvisorError(f"{path} holds no document that can be read", why=why)
        self._embed(earlier)
        return self._store

    def finish(self, out: Path, collection: Collection | None = None) -> None:
        """Write the files of the index below `out`, vectors into `collection` where one is given.

        What is in scratch stays, so that a kill here loses nothing. Raises AdvisorError when the server refuses.
        """
        if collection is not None:
            self._send(collection)
        self._store.commit()
        self._say.progress(0, None, "documents", "writing the keyword index")
        bm25.build(texts_of(self._store), out)
        self._store.close()
        for name in (CHUNKS, VECTORS) if collection is None else (CHUNKS,):
            shutil.copyfile(self._folder / name, out / name)

    def _send(self, collection: Collection) -> None:
        """Vectors to the server, from where an interrupted attempt had come to, if its collection is the same still; in
        the end it must hold all of them, and nothing else."""
        import numpy

        total, width = self._store.count("chunks"), self._embedder.dimension
        place = f"sent to {collection.server.url} {collection.server.collection}"
        if not self._store.meta(place):
            collection.require_new()
        if collection.points() is None:
            # Whatever was sent before went with the collection it was sent to. Noted first: killed in between, the
            # next attempt makes the collection, and none begins at a count of one that is gone.
            self._store.set_meta(place, "0")
            self._store.set_meta(f"mark of {place}", secrets.token_hex(16))
            self._store.commit()
            collection.create(width)
        done, mark = int(self._store.meta(place)), self._store.meta(f"mark of {place}")
        collection.require(done, mark)
        vectors: Any = numpy.memmap(self._folder / VECTORS, dtype=numpy.float32, mode="r", shape=(total, width))
        for first in range(done, total, POINTS_AT_ONCE):
            last = min(first + POINTS_AT_ONCE, total)
            self._say.progress(first, total, "documents", "sending vectors")
            collection.put(first, vectors[first:last], self._store.hashes(range(first, last)), mark)
            self._store.set_meta(place, str(last))
            self._store.commit()
            self._stop_if_asked()
        collection.require(total, mark)

    def _opened(self) -> ChunkStore:
        """The store in scratch, if it was begun for the same settings; else a new one."""
        path = self._folder / CHUNKS
        with contextlib.suppress(Exception):
            store = ChunkStore(path, is_writable=True)
            if store.meta("identity") == self._identity:
                return store
            store.close()
        return self._fresh()

    def _fresh(self) -> ChunkStore:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        store = ChunkStore(self._folder / CHUNKS, is_writable=True)
        store.set_meta("identity", self._identity)
        store.commit()
        return store

    def read(self, path: str, earlier: Earlier | None = None) -> ChunkStore:
        """The documents at `path`, cut and stored; nothing is embedded yet. Raises what `run` raises."""
        from executors.documents.child import Reader

        self._say.progress(0, None, "documents", "looking")
        found = list(list_sources(path))
        wanted = {source.name: source.sha256 for source in found if isinstance(source, Source)}
        if any(wanted.get(name) != sha256 for name, sha256 in self._store.sources().items()):
            self._store.close()
            self._store = self._fresh()
        known = self._store.sources()
        with Reader() as reader:
            for number, source in enumerate(found):
                if isinstance(source, Skipped) or source.name not in known:
                    self._take(source, earlier, reader)
                if number % DOCUMENTS_PER_COMMIT == 0 or number + 1 == len(found):
                    self._store.commit()
                    self._say.progress(number + 1, len(found), "documents", "reading and cutting")
                    self._stop_if_asked()
        return self._store

    def _take(self, source: Source | Skipped, earlier: Earlier | None, reader: Any) -> None:
        if isinstance(source, Skipped):
            self._store.skip(source)
            return
        if earlier is not None and earlier.same_cut and earlier.store.sources().get(source.name) == source.sha256:
            title = next(title for name, title, _ in earlier.store.titles() if name == source.name)
            document = Document(source.name, title, "", source.sha256, source.date)
            self._store.add(document, earlier.store.chunks_of(source.name))
            return
        read = read_source(source, reader)
        if isinstance(read, Skipped):
            self._store.skip(read)
            return
        self._store.add(read, cut(read, self._chunking, self._embedder.count))
        for note in read.notes:
            self._store.skip(Skipped(read.source, note))

    def _embed(self, earlier: Earlier | None) -> None:
        total, width = self._store.count("chunks"), self._embedder.dimension * 4
        done = int(self._store.meta("embedded") or 0)
        with (self._folder / VECTORS).open("ab") as file:
            # What was written after the last durable count is written again.
            file.truncate(done * width)
            for first in range(done, total, BLOCK):
                last = min(first + BLOCK, total)
                self._say.progress(first, total, "documents", "embedding passages")
                file.write(self._block(first, last, earlier).tobytes())
                file.flush()
                os.fsync(file.fileno())
                self._store.set_meta("embedded", str(last))
                self._store.commit()
                self._stop_if_asked()
        self._say.progress(total, total, "documents", "embedding passages")

    def _block(self, first: int, last: int, earlier: Earlier | None) -> Any:
        import numpy

        texts = self._store.embedded_texts(first, last)
        vectors: Any = numpy.zeros((len(texts), self._embedder.dimension), dtype=numpy.float32)
        rows = [None if earlier is None else earlier.store.row_of(sha) for _, sha in texts]
        for at, row in enumerate(rows):
            if row is not None and earlier is not None:
                vectors[at] = earlier.vectors[row]
        new = [at for at, row in enumerate(rows) if row is None]
        if new:
            vectors[new] = self._embedder.documents([texts[at][0] for at in new])
        return vectors

    def _stop_if_asked(self) -> None:
        if self._say.should_stop():
            raise Stopped


def skipped_lines(store: ChunkStore, most: int) -> Iterator[str]:
    """What was left out, one line each, and how many more there are."""
    found = store.skipped()
    yield from (f"{each.source}: {each.reason}" for each in found[:most])
    if len(found) > most:
        yield f"and {len(found) - most} more"
