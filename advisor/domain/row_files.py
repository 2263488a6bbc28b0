"""Rows in the text of a data file, with their lines: JSON Lines, a JSON array, a table. One reading for probe and run.

What cannot be read is yielded as `Unreadable` in its place, and what stands before and after it is kept. Pure: the text
comes from an open file or a string, and no file is opened here.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TextIO

from advisor.domain.row_shapes import lowered, shape_of

ROW_FILES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
"""Endings of files with rows. In a folder where these are half of all or more, the others (a README) are no data."""
HELD_OUT = ("held-out", "held_out", "test", "validation", "valid", "val", "eval", "dev")
"""Names of files, and of splits, that are kept for measuring."""
LONGEST_ROW = 16 * 2**20
"""Bytes of one row; longer ones are reported and passed over."""
CHUNK = 2**20
_UNREADABLE = "nested too deeply, or a number too long"


class Unreadable(NamedTuple):
    """Why a row could not be read."""

    reason: str


Placed = tuple[int, Any]
"""Line, counted from 1, and row, or `Unreadable`."""


def companions_of(name: str) -> list[str]:
    """Names that files with the held-out rows of a file `train.*` may have beside it.

    A link of such a name is none: a data set may be anybody's, and was not asked for what the link leads to.
    """
    stem, dot, ending = name.rpartition(".")
    stem = stem.lower()
    return [stem.replace("train", word) + dot + ending for word in HELD_OUT] if "train" in stem else []


def is_marked_held_out(row: Any) -> bool:
    """Whether a field `split` of the row says that it is kept for measuring."""
    split = lowered(row).get("split") if isinstance(row, dict) else None
    return isinstance(split, str) and split.strip().lower() in HELD_OUT


def parsed(line: bytes) -> Any:
    """The JSON value of a line, or of a whole file; or `Unreadable`."""
    try:
        return json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Unreadable(f"not UTF-8 (byte {error.start + 1})")
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, " if error.lineno > 1 else ""
        return Unreadable(f"not JSON: {error.msg} ({place}column {error.colno})")
    except (ValueError, RecursionError):
        return Unreadable(f"not JSON that can be read: {_UNREADABLE}")


def form_of(start: bytes) -> str:
    """How a `.json` file holds its rows, by its beginning without a byte-order mark: array | lines | object.

    `object`: one object in the file, which is a row or holds a list of them (`listed_in`).
    """
    start = start.lstrip()
    first_line = start.split(b"\n", 1)[0]
    if start[:1] == b"[":
        return "array"
    is_lines = isinstance(parsed(first_line), dict) and len(first_line) < len(start.strip())
    return "lines" if start[:1] != b"{" or is_lines else "object"


def listed_in(whole: Any) -> list[Any]:
    """The rows of one value: the only list in an object that is no row itself; else the value."""
    if not isinstance(whole, dict) or shape_of(lowered(whole)):
        return [whole]
    lists = [value for value in whole.values() if isinstance(value, list)]
    return lists[0] if len(lists) == 1 else [whole]


def elements(file: TextIO, tell: Callable[[float], None] = lambda share: None) -> Iterator[Placed]:
    """The rows of a JSON array, decoded one by one from a buffer that grows only to hold one.

    An array that breaks off, or is torn, keeps the rows before; its last is `Unreadable` with the line of the break.
    `tell` is told which share of the text read so far is used up.
    """
    decoder = json.JSONDecoder()
    buffer, line, number, wanted, is_end = file.read(CHUNK), 1, 1, CHUNK, False
    at = buffer.index("[") + 1
    line += buffer.count("\n", 0, at)
    read = len(buffer)
    while True:
        begin = at
        while at < len(buffer) and buffer[at] in " \t\r\n,":
            at += 1
        line += buffer.count("\n", begin, at)
        if at < len(buffer) and buffer[at] == "]":
            yield from _after(buffer[at + 1 :], file, line)
            return
        value, end = _element(decoder, buffer, at)
        if end is not None and (end < len(buffer) or is_end):
            tell((read - len(buffer) + end) / read)
            yield line, value
            line += buffer.count("\n", at, end)
            at, wanted, number = end, CHUNK, number + 1
        elif is_end or len(buffer) - at > LONGEST_ROW:
            why = "it does not end" if end is not None or at == len(buffer) else value
            yield line, Unreadable(f"the array is broken in element {number}: {why}")
            return
        else:
            more = file.read(wanted)
            read += len(more)
            buffer, at, wanted, is_end = buffer[at:] + more, 0, wanted * 2, not more


def _after(rest: str, file: TextIO, line: int) -> Iterator[Placed]:
    """Nothing may follow an array: what does would be left out unsaid."""
    while rest:
        found = rest.lstrip()
        if found:
            line += rest.count("\n", 0, len(rest) - len(found))
            yield line, Unreadable("the array has ended, and what follows it is not read")
            return
        line += rest.count("\n")
        rest = file.read(CHUNK)


def _element(decoder: json.JSONDecoder, buffer: str, at: int) -> tuple[Any, int | None]:
    """The value at a place and where it ends; or a reason and None."""
    try:
        return decoder.raw_decode(buffer, at)
    except json.JSONDecodeError as error:
        return error.msg, None
    except (ValueError, RecursionError):
        return _UNREADABLE, None


def table_rows(file: TextIO, is_tabbed: bool) -> Iterator[Placed]:
    """The rows of a table as objects by its header. Fields are apart by commas, semicolons or tabs, as the header says.

    `is_tabbed`: the file's name says tabs. `file` keeps line ends as they are (`newline=""`), and can go back.
    """
    csv.field_size_limit(LONGEST_ROW)
    header = file.readline(CHUNK)
    file.seek(0)
    delimiter = max("\t,;" if is_tabbed else ",;\t", key=header.count)
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
            return
        if not names:
            names = [name.strip() for name in row]
        elif row:
            is_whole = len(row) == len(names)
            wrong = Unreadable(f"{len(row)} fields where the header has {len(names)}")
            yield number, dict(zip(names, row, strict=True)) if is_whole else wrong
