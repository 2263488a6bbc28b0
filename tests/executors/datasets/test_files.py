"""Files a person brings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from advisor.domain.errors import AdvisorError, ExitCode
from advisor.domain.plan import DataSpec
from advisor.domain.words import DataKind
from advisor.probe import data_files
from advisor.probe.data import probe_data
from executors.datasets import files, load, load_multiple_choice
from executors.datasets.rows import Row

RECORDS = [{"prompt": f"question {n}", "completion": f"answer {n}"} for n in range(40)]


def spec(path: Path, **more: float) -> DataSpec:
    return DataSpec(path=str(path), kind=DataKind.INSTRUCTIONS, **more)


def both(path: Path) -> list[Row]:
    return load(spec(path), "train") + load(spec(path), "held-out")


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def lines(records: list[dict[str, str]]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def test_every_format_gives_the_same_rows(tmp_path: Path) -> None:
    """JSON Lines, JSON, CSV, TSV and Parquet of the same records give the same rows."""
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(RECORDS), tmp_path / "a.parquet")
    table = [list(record.values()) for record in RECORDS]
    files = [
        write(tmp_path, "a.jsonl", lines(RECORDS)),
        write(tmp_path, "b.json", json.dumps(RECORDS)),
        write(tmp_path, "c.csv", "prompt,completion\n" + "\n".join(",".join(row) for row in table)),
        write(tmp_path, "d.tsv", "prompt\tcompletion\n" + "\n".join("\t".join(row) for row in table)),
        write(tmp_path, "e.json", "\ufeff" + lines(RECORDS)),
        tmp_path / "a.parquet",
    ]
    assert len({tuple(both(file)) for file in files}) == 1
    assert len(both(files[0])) == 40


def test_texts_and_folders_are_read(tmp_path: Path) -> None:
    """A folder of text files gives one text each; hidden files are passed over."""
    for number in range(4):
        write(tmp_path, f"{number}.md", f"text {number}")
    write(tmp_path, ".hidden.md", "no")
    assert sorted(row.key for row in both(tmp_path)) == [f"text {number}" for number in range(4)]


def test_the_split_is_fixed_and_clean(tmp_path: Path) -> None:
    """The same rows are held out whatever their order, and rows that ask the same stay on one side."""
    doubled = RECORDS + [{**record, "completion": "other"} for record in RECORDS]
    a = spec(write(tmp_path, "a.jsonl", lines(doubled)), held_out=0.3)
    b = spec(write(tmp_path, "b.jsonl", lines(doubled[::-1])), held_out=0.3)
    assert set(load(a, "held-out")) == set(load(b, "held-out"))
    held_out, train = ({row.key for row in load(a, side)} for side in ("held-out", "train"))
    assert not held_out & train
    assert 0.1 < len(held_out) / 40 < 0.5


def test_a_split_of_its_own_is_respected(tmp_path: Path) -> None:
    """A folder with a test file is measured on that file and trained on the rest."""
    write(tmp_path, "train.jsonl", lines(RECORDS[:30]))
    write(tmp_path, "test.jsonl", lines(RECORDS[30:]))
    assert {row.key for row in load(spec(tmp_path), "held-out")} == {record["prompt"] for record in RECORDS[30:]}
    assert len(load(spec(tmp_path), "train")) == 30


def test_a_file_beside_the_training_rows_is_held_out(tmp_path: Path) -> None:
    """`test.jsonl` beside a named `train.jsonl` is what is measured, as `inspect` counts it."""
    path = write(tmp_path, "train.jsonl", lines(RECORDS[:30]))
    write(tmp_path, "test.jsonl", lines(RECORDS[30:]))
    assert {row.key for row in load(spec(path), "held-out")} == {record["prompt"] for record in RECORDS[30:]}
    assert len(load(spec(path), "train")) == 30
    assert probe_data(path).splits == {"held-out": 10}
    (tmp_path / "test.jsonl").rename(tmp_path / "elsewhere.jsonl")
    (tmp_path / "test.jsonl").symlink_to("elsewhere.jsonl")
    assert (len(both(path)), probe_data(path).splits) == (30, {})


def test_a_split_in_the_rows_is_respected(tmp_path: Path) -> None:
    """Rows whose own `split` is a held-out one are measured and never learnt, as `inspect` counts them."""
    rows = [{**record, "split": "train" if n < 30 else "Test"} for n, record in enumerate(RECORDS)]
    path = write(tmp_path, "a.jsonl", lines(rows))
    assert {row.key for row in load(spec(path), "held-out")} == {record["prompt"] for record in RECORDS[30:]}
    assert {row.key for row in load(spec(path), "train")} == {record["prompt"] for record in RECORDS[:30]}
    assert probe_data(path).splits == {"Test": 10, "train": 30}
    only = write(tmp_path, "b.jsonl", lines([{**record, "split": "test"} for record in RECORDS]))
    assert len(both(only)) == 40


def test_held_out_by_file_and_by_row_are_both_measured(tmp_path: Path) -> None:
    """Rows that a training file itself keeps for measuring are not lost beside a file of held-out rows."""
    marked = [{**record, "split": "test"} if n < 3 else record for n, record in enumerate(RECORDS)]
    path = write(tmp_path, "train.jsonl", lines(marked))
    write(tmp_path, "test.jsonl", lines([{"prompt": "another", "completion": "a"}]))
    assert len(load(spec(path), "train")) == len(RECORDS) - 3
    assert len(load(spec(path), "held-out")) == 4


def test_a_readme_beside_rows_is_no_row(tmp_path: Path) -> None:
    """In a folder of rows other files are passed over, as by `inspect`; a lone file of a held-out name is the data."""
    write(tmp_path, "test.jsonl", lines(RECORDS))
    write(tmp_path, "README.md", "# How these rows were made")
    assert len(both(tmp_path)) == probe_data(tmp_path).rows == len(RECORDS)


def test_what_programs_keep_beside_rows_is_no_row(tmp_path: Path) -> None:
    """Folders of a downloader, an editor or git are passed over with all they hold, as by the probe."""
    write(tmp_path, "rows.jsonl", lines(RECORDS))
    for place, name in ((".cache/hub", "rows.jsonl.metadata"), (".cache/hub", "more.metadata"), (".edited", "a.jsonl")):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        write(tmp_path / place, name, lines([{"prompt": "an older question", "completion": "a"}]))
    assert len(both(tmp_path)) == probe_data(tmp_path).rows == len(RECORDS)


def test_two_rows_are_enough(tmp_path: Path) -> None:
    """Two rows are split one and one; both sides are never empty."""
    path = write(tmp_path, "a.jsonl", lines(RECORDS[:2]))
    assert len(load(spec(path), "train")) == len(load(spec(path), "held-out")) == 1


def test_the_first_five_bad_rows_are_named(tmp_path: Path) -> None:
    """Bad rows end the reading with exit code 2, the first five by file and line, and their number."""
    rows = lines(RECORDS[:3]) + "not json\n" * 7 + '{"prompt": "q"}\n'
    path = write(tmp_path, "a.jsonl", rows)
    with pytest.raises(AdvisorError, match="8 of 11 rows") as caught:
        load(spec(path), "train")
    assert caught.value.code == ExitCode.BAD_INPUT
    assert caught.value.why.count(f"{path}:") == 5
    assert f"{path}:4: not JSON" in caught.value.why
    assert "and 3 more" in caught.value.why


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.jsonl", b"", "has no rows"),
        ("a.jsonl", b'{"text": "one"}\n', "too small"),
        ("a.jsonl", b'{"text": "one"}\n{"text": "one"}\n', "too small"),
        ("a.jsonl", b'{"text": "\xff"}\n', ":1: not UTF-8 (byte 11)"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "\xe9"}\n', ":2: not UTF-8"),
        ("a.jsonl", "{}".encode("utf-16"), "is UTF-16"),
        ("a.csv", b"text\na\xff\n", ":2: 'text' holds what is not UTF-8"),
        ("a.json", b'[{"text": "\xff"}]', ":1: 'text' holds what is not UTF-8"),
        ("a.txt", b"caf\xe9", ":1: not UTF-8 (byte 4)"),
        ("a.md", b"# Caf\xc3\xa9\n\nau lait, \xe9", ":3: not UTF-8 (byte 10)"),
        ("a.json", b"[" + b"9" * 5000 + b"]", "a number too long"),
        ("a.jsonl", b"9" * 5000, ":1: not JSON that can be read: nested too deeply, or a number too long"),
        ("a.jsonl", b"[" * 100_000, "1 of 1 rows"),
        ("a.json", b'[{"text": "a"},\n}', ":2: the array is broken in element 2: Expecting value"),
        ("a.json", b'[{"text": "a"}]\n\n[{"text": "b"}]', ":3: the array has ended, and what follows"),
        (
            "a.json",
            b'{"rows": [{"text": "a"},\n{"text"',
            "a.json: not JSON: Expecting ':' delimiter (line 2, column 8)",
        ),
        ("a.csv", b'text\n"unclosed', ":2: not CSV: unexpected end of data"),
        ("a.csv", b"text\na,b\n", "1 of 1 rows"),
        ("a.parquet", b"PAR1nonsense", "Parquet"),
        ("a.xlsx", b"x", "unknown kind of file"),
    ],
)
def test_unusable_files_are_one_message(tmp_path: Path, name: str, data: bytes, says: str) -> None:
    """Empty, tiny, wrongly encoded, broken and unknown files each end in one message, exit code 2."""
    (tmp_path / name).write_bytes(data)
    with pytest.raises(AdvisorError) as caught:
        load(spec(tmp_path / name), "train")
    assert says in caught.value.message()
    assert caught.value.code == ExitCode.BAD_INPUT


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A path without data is an error that names it; such data has no multiple-choice test either."""
    with pytest.raises(AdvisorError, match="nothing"):
        load(spec(tmp_path / "nothing"), "train")
    assert load_multiple_choice(spec(tmp_path / "nothing")) == []


def test_links_that_lead_out_are_refused(tmp_path: Path) -> None:
    """A folder of data cannot bring in a file beside it; links inside it, and those of a hub cache, are read."""
    text = lines(RECORDS)
    (folder := tmp_path / "data").mkdir()
    write(folder, "a.jsonl", text)
    (folder / "b.jsonl").symlink_to("a.jsonl")
    assert both(folder)
    (folder / "c.jsonl").symlink_to(write(tmp_path, "secret.jsonl", text))
    with pytest.raises(AdvisorError, match="leads out") as caught:
        load(spec(folder), "train")
    assert caught.value.code == ExitCode.REFUSED
    (snapshot := tmp_path / "repo" / "snapshots" / "abc").mkdir(parents=True)
    (blobs := tmp_path / "repo" / "blobs").mkdir()
    (snapshot / "train.jsonl").symlink_to(write(blobs, "0123", text))
    assert both(snapshot)


def test_bad_rows_may_be_passed_over(tmp_path: Path) -> None:
    """With `bad_rows: skip` the rows that can be used are read, and the others are listed with place and reason."""
    from executors.datasets.files import bad_rows

    file = tmp_path / "rows.jsonl"
    good = [json.dumps({"prompt": f"q{n}", "completion": "a"}) for n in range(8)]
    file.write_text("\n".join([*good[:4], "{broken", '{"prompt": "q"}', *good[4:]]))
    spec = DataSpec(path=str(file), kind="instructions", bad_rows="skip")
    assert len(load(spec, "train")) + len(load(spec, "held-out")) == 8
    assert [line.split(": ")[0] for line in bad_rows(spec)] == [f"{file}:5", f"{file}:6"]
    with pytest.raises(AdvisorError, match="2 of 10 rows") as caught:
        load(spec.model_copy(update={"bad_rows": "fail"}), "train")
    assert "--bad-rows skip" in caught.value.hint


def test_lines_of_another_encoding_are_rows_like_others(tmp_path: Path) -> None:
    """Each line that is not UTF-8 is named, and with `bad_rows: skip` the other rows of the file are read."""
    from executors.datasets.files import bad_rows

    file = tmp_path / "rows.jsonl"
    good = [json.dumps({"prompt": f"q{n}", "completion": "a"}).encode() for n in range(8)]
    file.write_bytes(b"\n".join([*good[:4], b'{"prompt": "\xe9"}', b"\xff", *good[4:]]))
    spec = DataSpec(path=str(file), kind="instructions", bad_rows="skip")
    assert len(load(spec, "train")) + len(load(spec, "held-out")) == 8
    assert bad_rows(spec) == [f"{file}:5: not UTF-8 (byte 13)", f"{file}:6: not UTF-8 (byte 1)"]


def test_prober_and_reader_agree_on_the_longest_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that `inspect` calls too long is too long for a run, and one byte less is read by both."""
    monkeypatch.setattr(files, "LONGEST_ROW", 64)
    monkeypatch.setattr(data_files, "LONGEST_ROW", 64)
    empty = len(json.dumps({"text": ""}))
    rows = [json.dumps({"text": "x" * (length - empty)}) for length in (63, 64)]
    file = write(tmp_path, "a.jsonl", "\n".join(["", *rows, rows[0]]))
    assert [row.line for row in probe_data(file).bad_rows] == [3]
    bad = files.bad_rows(DataSpec(path=str(file), kind=DataKind.TEXT))
    assert [line.partition(": ")[0] for line in bad] == [f"{file}:3"]
