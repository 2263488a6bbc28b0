"""The chunks of an index in SQLite, while it is built and when it is searched. Row number = number of the vector."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from executors.documents import Document, Skipped
from executors.retrieve.chunks import Chunk

_SCHEMA = """
create table if not exists meta (key text primary key, value text not null);
create table if not exists documents (
  id integer primary key, source text not null unique, title text not null, date text not null, sha256 text not null);
create table if not exists chunks (
  id integer primary key, document integer not null, start integer not null, heading text not null, text text not null,
  sha256 blob not null);
create table if not exists skipped (source text not null, reason text not null, unique (source, reason));
create index if not exists chunk_hashes on chunks (sha256);
create index if not exists chunk_documents on chunks (document);
"""


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A passage with where it is from."""

    row: int
    text: str
    heading: str
    start: int
    source: str
    title: str
    date: str


class ChunkStore:
    """Reads and writes `chunks.sqlite`. Every write is durable once `commit` returns."""

    def __init__(self, path: Path, is_writable: bool = False) -> None:
        if is_writable:
            self._db = sqlite3.connect(path)
            self._db.execute("pragma synchronous = full")
            self._db.executescript(_SCHEMA)
        else:
            # Immutable: a file of a published artifact, and no journal may appear beside it.
            self._db = sqlite3.connect(f"file:{_quoted(path)}?mode=ro&immutable=1", uri=True, check_same_thread=False)
            self._db.execute("pragma trusted_schema = off")

    def close(self) -> None:
        self._db.close()

    def commit(self) -> None:
        self._db.commit()

    def meta(self, key: str) -> str:
        """The value of a key; empty when it was never set."""
        found = self._db.execute("select value from meta where key = ?", (key,)).fetchone()
        return str(found[0]) if found else ""

    def set_meta(self, key: str, value: str) -> None:
        self._db.execute("insert or replace into meta values (?, ?)", (key, value))

    def add(self, document: Document, chunks: Sequence[Chunk]) -> None:
        """A document and its passages, numbered on from the last."""
        cursor = self._db.execute(
            "insert into documents (source, title, date, sha256) values (?, ?, ?, ?)",
            (document.source, document.title, document.date, document.sha256),
        )
        number, first = cursor.lastrowid, self.count("chunks")
        rows = [(first + at, number, c.start, c.heading, c.text, hash_of(c.embedded)) for at, c in enumerate(chunks)]
        self._db.executemany("insert into chunks values (?, ?, ?, ?, ?, ?)", rows)

    def skip(self, skipped: Skipped) -> None:
        self._db.execute("insert or ignore into skipped values (?, ?)", (skipped.source, skipped.reason))

    def skipped(self) -> list[Skipped]:
        """What was left out, by name."""
        return [Skipped(*row) for row in self._db.execute("select source, reason from skipped order by source, reason")]

    def count(self, table: str) -> int:
        """Rows of `chunks` (their ids have no gaps) or `documents`."""
        return int(
            self._db.execute(f"select coalesce(max(id) + ?, 0) from {table}", (table == "chunks",)).fetchone()[0]
        )

    def sources(self) -> dict[str, str]:
        """Source -> SHA-256 of every document in the order they were added."""
        return dict(self._db.execute("select source, sha256 from documents order by id"))

    def titles(self) -> list[tuple[str, str, str]]:
        """(source, title, date) of every document in the order they were added."""
        return list(self._db.execute("select source, title, date from documents order by id"))

    def embedded_texts(self, first: int, last: int) -> list[tuple[str, bytes]]:
        """What is embedded of the chunks `first` to before `last`, with its hash."""
        query = "select heading, text, sha256 from chunks where id >= ? and id < ? order by id"
        return [
            (Chunk(text, heading, 0).embedded, sha) for heading, text, sha in self._db.execute(query, (first, last))
        ]

    def chunks_of(self, source: str) -> list[Chunk]:
        """The passages of one document, in its order."""
        query = (
            "select c.text, c.heading, c.start from chunks c join documents d on d.id = c.document"
            " where d.source = ? order by c.id"
        )
        return [Chunk(*row) for row in self._db.execute(query, (source,))]

    def rows_in(self, name: str) -> list[int]:
        """The rows of the document of that name, or of all documents in the folder of that name."""
        query = (
            "select c.id from chunks c join documents d on d.id = c.document"
            " where d.source = ?1 or substr(d.source, 1, length(?1) + 1) = ?1 || '/' order by c.id"
        )
        return [int(row[0]) for row in self._db.execute(query, (name,))]

    def hashes(self, rows: Sequence[int]) -> list[bytes]:
        """The hashes of these rows' embedded texts, in their order. Raises KeyError for a row that is not there."""
        marks = ",".join("?" * len(rows))
        found = dict(self._db.execute(f"select id, sha256 from chunks where id in ({marks})", list(rows)))
        return [found[row] for row in rows]

    def row_of(self, sha256: bytes) -> int | None:
        """The first row whose embedded text has this hash."""
        found = self._db.execute("select min(id) from chunks where sha256 = ?", (sha256,)).fetchone()
        return None if found[0] is None else int(found[0])

    def get(self, rows: Sequence[int]) -> list[StoredChunk]:
        """The passages of these rows, in their order. Raises KeyError for a row that is not there."""
        marks = ",".join("?" * len(rows))
        query = (
            "select c.id, c.text, c.heading, c.start, d.source, d.title, d.date from chunks c"
            f" join documents d on d.id = c.document where c.id in ({marks})"
        )
        found = {row[0]: StoredChunk(*row) for row in self._db.execute(query, list(rows))}
        return [found[row] for row in rows]

    def all(self) -> Iterator[StoredChunk]:
        """Every passage by row."""
        query = (
            "select c.id, c.text, c.heading, c.start, d.source, d.title, d.date from chunks c"
            " join documents d on d.id = c.document order by c.id"
        )
        yield from (StoredChunk(*row) for row in self._db.execute(query))


def hash_of(text: str) -> bytes:
    """16 bytes that stand for a text."""
    import hashlib

    return hashlib.sha256(text.encode()).digest()[:16]


def texts_of(store: ChunkStore, block: int = 4096) -> Iterable[str]:
    """The embedded text of every chunk by row, a block at a time."""
    for first in range(0, store.count("chunks"), block):
        yield from (text for text, _ in store.embedded_texts(first, first + block))


def _quoted(path: Path) -> str:
    from urllib.parse import quote

    return quote(str(path.absolute()))
