"""Rows of a data file, one at a time and with their place: JSON Lines, JSON, CSV, TSV, Parquet, plain text.

Memory stays bounded whatever the file's size, and a row that cannot be read is yielded as `Unreadable`, never raised.
Compressed files are not unpacked.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from advisor.domain.errors import AdvisorError

FORMATS = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet",
    ".txt": "text", ".md": "text", ".rst": "text", ".text": "text",
}  # fmt: skip
COMPRESSED = (".gz", ".zst", ".bz2", ".xz", ".zip", ".tar", ".7z")
LONGEST_ROW = 16 * 2**20
"""Bytes of one row; longer ones are reported and passed over."""
CHUNK = 2**20


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


class Unreadable(NamedTuple):
    """Why a row could not be read."""

    reason: str


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


def parsed(line: bytes) -> Any:
    """The JSON value of a line, or `Unreadable`."""
    try:
        return json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Unreadable(f"not UTF-8 (byte {error.start + 1})")
    except json.JSONDecodeError as error:
        return Unreadable(f"not JSON: {error.msg} (column {error.colno})")
    except (ValueError, RecursionError):
        return Unreadable("not JSON that can be read: nested too deeply or a number too long")


def _json(path: Path, position: Position) -> Iterator[tuple[int, Any]]:
    """A JSON array of rows, one object holding such an array, or JSON Lines under the wrong ending."""
    with path.open("rb") as file:
        start = file.read(CHUNK).removeprefix(b"\xef\xbb\xbf").lstrip()
    first_line = start.split(b"\n", 1)[0]
    if start[:1] == b"[":
        return _json_array(path, position)
    if start[:1] == b"{" and isinstance(parsed(first_line), dict) and len(first_line) < len(start.strip()):
        return _json_lines(path, position)
    return _json_object(path)


def _json_object(path: Path) -> Iterator[tuple[int, Any]]:
    if path.stat().st_size > 256 * 2**20:
        raise AdvisorError(f"{path} is one JSON object of more than 256 MiB", hint="write one row per line (.jsonl)")
    whole = parsed(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    if isinstance(whole, Unreadable):
        raise AdvisorError(f"{path}: {whole.reason}", hint="write a JSON array, or one object per line (.jsonl)")
    lists = [value for value in whole.values() if isinstance(value, list)] if isinstance(whole, dict) else []
    rows = lists[0] if len(lists) == 1 else [whole]
    return enumerate(rows, 1)


def _json_array(path: Path, position: Position) -> Iterator[tuple[int, Any]]:
    """Elements of an array, decoded one by one from a buffer that grows only to hold one element."""
    decoder = json.JSONDecoder()
    with path.open("rb") as raw, io.TextIOWrapper(raw, "utf-8-sig", errors="surrogateescape") as file:
        buffer, at, line, wanted, is_end = file.read(CHUNK), 0, 1, CHUNK, False
        at = buffer.index("[") + 1
        line += buffer.count("\n", 0, at)
        read = len(buffer)
        while True:
            begin = at
            while at < len(buffer) and buffer[at] in " \t\r\n,":
                at += 1
            line += buffer.count("\n", begin, at)
            if at < len(buffer) and buffer[at] == "]":
                break
            value, end = _element(decoder, buffer, at)
            if end is not None and (end < len(buffer) or is_end):
                position.at(raw.tell() * (read - len(buffer) + end) // read)
                yield line, value
                line += buffer.count("\n", at, end)
                at, wanted = end, CHUNK
            elif is_end or len(buffer) - at > LONGEST_ROW:
                yield line, Unreadable(f"the array is broken here: {value if end is None else 'it does not end'}")
                break
            else:
                more = file.read(wanted)
                read += len(more)
                buffer, at, wanted, is_end = buffer[at:] + more, 0, wanted * 2, not more


def _element(decoder: json.JSONDecoder, buffer: str, at: int) -> tuple[Any, int | None]:
    """The value at a place and where it ends; or a reason and None."""
    try:
        return decoder.raw_decode(buffer, at)
    except json.JSONDecodeError as error:
        return error.msg, None
    except (ValueError, RecursionError):
        return "nested too deeply or a number too long", None


def _csv(path: Path, position: Position) -> Iterator[tuple[int, Any]]:
    csv.field_size_limit(LONGEST_ROW)
    with path.open("rb") as raw, io.TextIOWrapper(raw, "utf-8-sig", errors="surrogateescape", newline="") as file:
        header = file.readline(CHUNK)
        file.seek(0)
        delimiter = max("\t,;" if path.suffix.lower() == ".tsv" else ",;\t", key=header.count)
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        names: list[str] = []
        while True:
            number = reader.line_num + 1
            try:
                row = next(reader, None)
            except csv.Error as error:
                yield number, Unreadable(f"not CSV: {error}")
                continue
            if row is None:
                break
            if not names:
                names = [name.strip() for name in row]
            elif row:
                position.at(raw.tell())
                yield number, _record(names, row)


def _record(names: list[str], row: list[str]) -> Any:
    if len(row) != len(names):
        return Unreadable(f"{len(row)} fields where the header has {len(names)}")
    truth = {"true": True, "false": False}
    fields: dict[str, Any] = dict(zip(names, row, strict=True))
    if isinstance(fields.get("label"), str) and fields["label"].lower() in truth:
        fields["label"] = truth[fields["label"].lower()]
    return fields


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
