"""`advisor.domain.row_files`: one reading of files for the probe and for runs, with the same places and reasons."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from advisor.domain import row_files
from advisor.domain.plan import DataSpec
from advisor.domain.row_files import Unreadable, elements, form_of, listed_in
from advisor.domain.words import DataKind
from advisor.probe.data import probe_data
from executors.datasets.files import bad_rows

A, B = '{"text": "a"}', '{"text": "b"}'
TORN: list[tuple[str, str, list[tuple[int, str]]]] = [
    ("d.json", f"[{A},\n{B},\n", [(3, "the array is broken in element 3: it does not end")]),
    ("d.json", f"[\n{A},\n{B}", [(3, "the array is broken in element 3: it does not end")]),
    (
        "d.json",
        f'[{A},\n{B},\n{{"text": "c',
        [(3, "the array is broken in element 3: Unterminated string")],
    ),
    ("d.json", f'[{A},\n{B},\n{{"text" "c"}}]', [(3, "the array is broken in element 3: Expecting ':' delimiter")]),
    ("d.json", f"[{A},\n{B}]\n\n[{A}]", [(4, "the array has ended, and what follows it is not read")]),
    ("d.json", f"[{A}, 7,\n{B}]", [(1, "it is a number, not an object")]),
    ("d.jsonl", f"{A}\n{{\n{B}\n", [(2, "not JSON: Expecting property name enclosed in double quotes")]),
    ("d.csv", 'text\na\nb\n"c', [(4, "not CSV: unexpected end of data")]),
    ("d.csv", "text;n\na;1\nb;2\nc;3;4\n", [(4, "3 fields where the header has 2")]),
]


@pytest.mark.parametrize(("name", "text", "told"), TORN)
def test_probe_and_run_tell_the_same(name: str, text: str, told: list[tuple[int, str]], tmp_path: Path) -> None:
    """What cannot be read has the same line and reason for both, and the rows around it are kept by both."""
    file = tmp_path / name
    file.write_text(text)
    found = probe_data(file)
    assert (found.rows, found.bad_row_count) == (2, len(told))
    assert [row.line for row in found.bad_rows] == [line for line, _ in told]
    assert all(why in row.reason for row, (_, why) in zip(found.bad_rows, told, strict=True))
    bad = bad_rows(DataSpec(path=str(file), kind=DataKind.TEXT))
    assert [row.partition(": ")[0] for row in bad] == [f"{file}:{line}" for line, _ in told]
    assert all(why.removeprefix("it ") in row for row, (_, why) in zip(bad, told, strict=True))


def test_any_cut_keeps_the_rows_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever an array is cut, each row that stands whole before the cut is kept, and the cut is told once; the size
    of the pieces that are read changes nothing."""
    rows = [{"text": "é\n" * n, "n": n} for n in range(5)]
    text = json.dumps(rows, indent=1, ensure_ascii=False)
    ends = [text.index("}", text.index(f'"n": {n}')) + 1 for n in range(5)]
    for cut in range(1, len(text)):
        found = []
        for chunk in (7, 2**20):
            monkeypatch.setattr(row_files, "CHUNK", chunk)
            found.append(list(elements(io.StringIO(text[:cut]))))
        *before, (_, last) = found[0]
        assert found[0] == found[1]
        assert [row for _, row in before] == rows[: sum(end <= cut for end in ends)]
        assert isinstance(last, Unreadable)
    assert [row for _, row in elements(io.StringIO(text + "\n "))] == rows


def test_line_ends_inside_a_field_keep_the_row_whole(tmp_path: Path) -> None:
    """Other separators of lines than line ends, inside a field of a table, belong to the text."""
    file = tmp_path / "d.csv"
    file.write_text("text,n\na\u2028b\x0bc,1\nd,2\n", encoding="utf-8")
    assert probe_data(file).rows == 2
    assert bad_rows(DataSpec(path=str(file), kind=DataKind.TEXT)) == []


@pytest.mark.parametrize(
    ("start", "form"),
    [
        (b" \n[1]", "array"),
        (b'{"a": 1}\n{"a": 2}\n', "lines"),
        (b'{"a": 1}\n', "object"),
        (b'{"a":\n1}', "object"),
        (b"hello", "lines"),
    ],
)
def test_the_form_of_a_json_file(start: bytes, form: str) -> None:
    """An array, rows line by line, or one object, by how the file begins."""
    assert form_of(start) == form


def test_one_object_is_a_row_or_holds_rows() -> None:
    """An object that has a shape is a row, with whatever lists it has; another holds its rows in its only list."""
    row = {"messages": [{"role": "user", "content": "q"}]}
    assert listed_in(row) == [row]
    assert listed_in({"version": 1, "data": [row, row]}) == [row, row]
    assert listed_in({"a": [1], "b": [2]}) == [{"a": [1], "b": [2]}]
