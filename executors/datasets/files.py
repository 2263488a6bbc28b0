"""Reads a person's data: JSON Lines, JSON, CSV, TSV, Parquet, plain text, or a folder of such files.

Nothing is guessed and nothing is dropped silently: a row that cannot be used ends the reading with its place and
reason. Rows that ask the same thing are kept on one side of the held-out split.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from advisor.domain.errors import AdvisorError, ExitCode
from advisor.domain.plan import DataSpec
from advisor.domain.row_files import (
    CHUNK,
    HELD_OUT,
    LONGEST_ROW,
    ROW_FILES,
    Placed,
    Unreadable,
    companions_of,
    elements,
    form_of,
    is_marked_held_out,
    listed_in,
    parsed,
    table_rows,
)
from advisor.domain.words import DataKind
from executors.datasets.marked_shapes import BadRecord
from executors.datasets.rows import Record, hashed
from executors.datasets.shapes import to_row

SHOWN = 5
TEXT_SUFFIXES = (".txt", ".md", ".rst", ".text")
MANIFEST = "manifest.json"
"""Marks a data set that was prepared here: its rows are in `.jsonl`, and what else lies there tells of it."""
_Place = tuple[str, Any]


def load_file(spec: DataSpec, is_held_out: bool) -> list[Record]:
    """All rows of one side of the split, in a random order that depends on their contents alone.

    Raises AdvisorError (exit 2) for a missing file, bad rows, or data too small to split.
    """
    path = Path(spec.path).expanduser()
    train, held_out = _files(path)
    has_split = bool(held_out)
    found = _read(held_out if is_held_out and has_split else train, spec.kind)
    count = len(found.rows) + len(found.marked)
    if found.bad and (spec.bad_rows == "fail" or not count):
        raise AdvisorError(
            f"{len(found.bad)} of {len(found.bad) + count} rows cannot be used",
            why=first_of(found.bad),
            hint="repair or remove these rows, or go on without them with --bad-rows skip",
        )
    if not count:
        raise AdvisorError(f"{path} has no rows", hint="give a file with at least two rows")
    if has_split and is_held_out:
        rows = found.rows + found.marked + _read(train, spec.kind).marked
    elif has_split:
        rows = found.rows
    elif found.rows and found.marked:
        rows = found.marked if is_held_out else found.rows
    else:
        rows = _side(found.rows + found.marked, spec, is_held_out)
    return sorted(rows, key=lambda row: hashed(f"order:{row.key}"))


def _files(path: Path) -> tuple[list[Path], list[Path]]:
    """The files to train on and those the data set itself keeps for measuring."""
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file() and not _is_hidden(p.relative_to(path)))
        files = [p for p in files if p.suffix == ".jsonl"] if (path / MANIFEST).is_file() else files
        _refuse_links_out(path, files)
        rows = [p for p in files if p.suffix.lower() in ROW_FILES]
        files = rows if len(rows) * 2 >= len(files) else files
        held_out = [p for p in files if p.stem.lower().split("-0")[0] in HELD_OUT]
        train = [p for p in files if p not in held_out]
        return (train, held_out) if train else (held_out, [])
    if not path.is_file():
        raise AdvisorError(f"there is no data at {path}", hint="give a file, a folder of files, or builtin:stdlib")
    beside = [path.with_name(name) for name in companions_of(path.name)]
    return [path], [file for file in beside if file.is_file() and not file.is_symlink()]


def _is_hidden(path: Path) -> bool:
    """Programs' own files, or in their folders: `.git`, `.cache` of the hub's client, `.ipynb_checkpoints`."""
    return any(part.startswith(".") for part in path.parts)


def _refuse_links_out(folder: Path, files: list[Path]) -> None:
    """A data set may be anybody's: a link must not bring in what lies beside it. The files of a snapshot in a hub cache
    are links into the same repository's cache."""
    root = folder.resolve()
    root = root.parents[1] if root.parent.name == "snapshots" else root
    for file in files:
        if file.is_symlink() and not file.resolve().is_relative_to(root):
            raise AdvisorError(
                f"{file} is a link that leads out of its folder",
                hint="give the folder it leads to, or copy the file",
                code=ExitCode.REFUSED,
            )


def _side(rows: list[Record], spec: DataSpec, is_held_out: bool) -> list[Record]:
    """The rows of one side: by the hash of what they ask, so that repeated questions stay together."""
    scores = {row.key: hashed(f"split:{row.key}") / 2**64 for row in rows}
    if len(scores) < 2:
        raise AdvisorError(
            f"{spec.path} is too small to split",
            why=f"it has {len(rows)} rows that ask {len(scores)} different things, and some must be held out",
            hint="give at least two different rows",
        )
    kept = {key for key, score in scores.items() if score < spec.held_out}
    if not kept or len(kept) == len(scores):
        kept = {min(scores, key=lambda key: scores[key])}
    return [row for row in rows if (row.key in kept) == is_held_out]


def bad_rows(spec: DataSpec) -> list[str]:
    """`file:line: reason` of every row that cannot be used, on both sides. Raises AdvisorError for unreadable files."""
    train, held_out = _files(Path(spec.path).expanduser())
    return _read([*train, *held_out], spec.kind).bad


def first_of(bad: list[str]) -> str:
    """The first bad rows, and how many more there are."""
    more = [f"and {len(bad) - SHOWN} more"] if len(bad) > SHOWN else []
    return "\n       ".join([*bad[:SHOWN], *more])


class _Read(NamedTuple):
    rows: list[Record]
    marked: list[Record]
    """Those that a field `split` of their own keeps for measuring."""
    bad: list[str]
    """`file:line: reason` for each row that cannot be used."""


def _read(files: list[Path], kind: DataKind) -> _Read:
    """The rows of some files."""
    found = _Read([], [], [])
    for file in files:
        for place, record in _records(file):
            try:
                if isinstance(record, Unreadable):
                    raise BadRecord(record.reason)
                row = to_row(record, kind)
            except BadRecord as error:
                found.bad.append(f"{place}: {error}")
            else:
                (found.marked if is_marked_held_out(record) else found.rows).append(row)
    return found


def _records(file: Path) -> Iterator[_Place]:
    """Every record of a file with its place, `file:line`; `Unreadable` in place of one that cannot be parsed."""
    suffix = file.suffix.lower()
    if suffix == ".parquet":
        yield from _parquet(file)
        return
    try:
        data = file.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise AdvisorError(f"cannot read {file}", why=error.strerror or str(error)) from None
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise AdvisorError(f"{file} is UTF-16", why="data is read as UTF-8", hint="save it as UTF-8")
    if suffix in TEXT_SUFFIXES:
        yield _whole(file, data)
    elif suffix in (".csv", ".tsv"):
        yield from _placed(file, table_rows(_text(data), suffix == ".tsv"))
    elif suffix in (".json", ".jsonl", ".ndjson"):
        yield from _placed(file, _json(file, data, form_of(data[:CHUNK]) if suffix == ".json" else "lines"))
    else:
        raise AdvisorError(f"{file}: unknown kind of file {suffix!r}",
                           hint="known are .jsonl .json .csv .tsv .parquet .txt .md")  # fmt: skip


def _placed(file: Path, rows: Iterator[Placed]) -> Iterator[_Place]:
    return ((f"{file}:{line}", row) for line, row in rows)


def _text(data: bytes) -> io.StringIO:
    """The text as it stands; bytes that are not UTF-8 become halves of surrogate pairs, for which rows are refused."""
    return io.StringIO(data.decode("utf-8", "surrogateescape"), newline="")


def _whole(file: Path, data: bytes) -> _Place:
    """A file of plain text, which is one row; in its place the line and byte at which it is no text."""
    try:
        return f"{file}:1", data.decode("utf-8")
    except UnicodeDecodeError as error:
        *before, line = data[: error.start].split(b"\n")
        return f"{file}:{len(before) + 1}", Unreadable(f"not UTF-8 (byte {len(line) + 1})")


def _json(file: Path, data: bytes, form: str) -> Iterator[Placed]:
    if form == "array":
        return elements(_text(data))
    if form == "lines":
        return _lines(data)
    whole = parsed(data)
    if isinstance(whole, Unreadable):
        raise AdvisorError(f"{file}: {whole.reason}", hint="write a JSON array, or one object per line (.jsonl)")
    return enumerate(listed_in(whole), start=1)


def _lines(data: bytes) -> Iterator[Placed]:
    for number, line in enumerate(data.split(b"\n"), start=1):
        if len(line) >= LONGEST_ROW:
            yield number, Unreadable(f"longer than {LONGEST_ROW // 2**20} MiB")
        elif line.strip():
            yield number, parsed(line)


def _parquet(file: Path) -> Iterator[_Place]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.ParquetFile(file)
        number = 0
        for batch in table.iter_batches():
            for record in batch.to_pylist():
                number += 1
                yield f"{file}: row {number}", record
    except (pyarrow.ArrowException, OSError) as error:
        raise AdvisorError(f"{file}: not a readable Parquet file", why=str(error).splitlines()[0]) from None
