"""Rows of a data file, one at a time and with their place: JSON Lines, JSON, CSV, TSV, Parquet, plain text.

Memory stays bounded whatever the file's size, and a row that cannot be read is yielded as `Unreadable`, never raised.
Compressed files are not unpacked.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from advisor.domain.errors import AdvisorError
from advisor.domain.row_files import (
    CHUNK,
    LONGEST_ROW,
    Placed,
    Unreadable,
    elements,
    form_of,
    listed_in,
    parsed,
    table_rows,
)

FORMATS = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet",
    ".txt": "text", ".md": "text", ".rst": "text", ".text": "text",
}  # fmt: skip
COMPRESSED = (".gz", ".zst", ".bz2", ".xz", ".zip", ".tar", ".7z")


class Position:
    """How far a file has been read, in bytes. Tells `tell` about every mebibyte."""

    def __init__(self, tell: Callable[[int], None] | None = None) -> None:
        self.done = 0
        self._tell, self._told = tell, 0

    def at(self, done: int) -> None:
        self.done = done
        if self._tell is not None and done - self._told >= CHUNK:
            self._told = done
            self._tell(done)


def format_of(path: Path) -> str:
    """The format by the file's ending. Raises `AdvisorError` for a compressed or unknown one."""
    suffix = path.suffix.lower()
    if suffix in COMPRESSED:
        raise AdvisorError(f"{path} is compressed", why="archives are not unpacked here", hint="unpack it first")
    if suffix not in FORMATS:
        raise AdvisorError(f"{path}: unknown data format '{suffix}'", hint=f"known: {' '.join(FORMATS)}, or a folder")
    return FORMATS[suffix]


def rows_of(path: Path, position: Position) -> Iterator[tuple[int, Any]]:
    """Line (or row number) and parsed row, or `Unreadable`.

    Raises `AdvisorError` when the file as a whole cannot be used.
    """
    readers = {"jsonl": _json_lines, "json": _json, "csv": _csv, "parquet": _parquet, "text": _text}
    with path.open("rb") as file:
        start = file.read(4)
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise AdvisorError(f"{path} is UTF-16", why="data is read as UTF-8", hint="save it as UTF-8")
    return readers[format_of(path)](path, position)


def _lines(path: Path, position: Position) -> Iterator[tuple[int, bytes | Unreadable]]:
    """Raw lines with their numbers; one that is too long is skipped in pieces."""
    done = 0
    with path.open("rb") as file:
        number = 0
        while line := file.readline(LONGEST_ROW):
            number += 1
            done += len(line)
            position.at(done)
            if len(line) == LONGEST_ROW and not line.endswith(b"\n"):
                line = b""  # gives its memory back before the rest is passed over
                while piece := file.readline(CHUNK):
                    done += len(piece)
                    if piece.endswith(b"\n"):
                        break
                yield number, Unreadable(f"longer than {LONGEST_ROW // 2**20} MiB")
            else:
                yield number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line


def _json_lines(path: Path, position: Position) -> Iterator[tuple[int, Any]]:
    for number, line in _lines(path, position):
        if isinstance(line, Unreadable):
            yield number, line
        elif line.strip():
            yield number, parsed(line)


def _json(path: Path, position: Position) -> Iterator[Placed]:
    """A JSON array of rows, one object holding such an array, or JSON Lines under the wrong ending."""
    with path.open("rb") as file:
        form = form_of(file.read(CHUNK).removeprefix(b"\xef\xbb\xbf"))
    return {"array": _json_array, "lines": _json_lines}.get(form, _json_object)(path, position)


def _json_object(path: Path, position: Position) -> Iterator[Placed]:
    if path.stat().st_size > 256 * 2**20:
        raise AdvisorError(f"{path} is one JSON object of more than 256 MiB", hint="write one row per line (.jsonl)")
    whole = parsed(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    if isinstance(whole, Unreadable):
        raise AdvisorError(f"{path}: {whole.reason}", hint="write a JSON array, or one object per line (.jsonl)")
    return enumerate(listed_in(whole), 1)


def _json_array(path: Path, position: Position) -> Iterator[Placed]:
    with path.open("rb") as raw, io.TextIOWrapper(raw, "utf-8-sig", errors="surrogateescape") as file:
        yield from elements(file, lambda share: position.at(round(raw.tell() * share)))


def _csv(path: Path, position: Position) -> Iterator[Placed]:
    with path.open("rb") as raw, io.TextIOWrapper(raw, "utf-8-sig", errors="surrogateescape", newline="") as file:
        for placed in table_rows(file, path.suffix.lower() == ".tsv"):
            position.at(raw.tell())
            yield placed


def _parquet(path: Path, position: Position) -> Iterator[tuple[int, Any]]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise AdvisorError(
            f"{path} is Parquet, and pyarrow is not installed", hint="pip install 'technique-advisor[run]'"
        ) from None
    try:
        file = pyarrow.parquet.ParquetFile(path)
        total, size, number = max(1, file.metadata.num_rows), path.stat().st_size, 0
        for batch in file.iter_batches(batch_size=512):
            for row in batch.to_pylist():
                number += 1
                position.at(size * number // total)
                yield number, row
    except (pyarrow.ArrowException, OSError) as error:
        raise AdvisorError(f"{path} is not a readable Parquet file", why=str(error).splitlines()[0][:200]) from error


def _text(path: Path, position: Position) -> Iterator[tuple[int, Any]]:
    """Paragraphs: blocks of text between empty lines, at most 1 MiB each."""
    block: list[str] = []
    first, length = 1, 0
    for number, line in _lines(path, position):
        text = "" if isinstance(line, Unreadable) else line.decode("utf-8", errors="surrogateescape").rstrip("\r\n")
        if isinstance(line, Unreadable):
            yield number, line
        if text.strip():
            first = first if block else number
            block.append(text)
            length += len(text)
        if block and (not text.strip() or length > CHUNK):
            yield first, "\n".join(block)
            block, length = [], 0
    if block:
        yield first, "\n".join(block)
