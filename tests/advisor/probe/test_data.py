"""`advisor.probe.data`: real files in every shape and format, and every defect that is looked for."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from advisor.domain.errors import AdvisorError
from advisor.domain.profiles import DataProfile
from advisor.domain.words import DataKind
from advisor.probe.data import BUILTIN_ROWS, probe_data

Rows = list[Any]


@pytest.fixture
def probed(tmp_path: Path) -> Callable[..., DataProfile]:
    """Writes rows as JSON Lines (`train.jsonl`) and probes them."""

    def probe(rows: Rows, **keywords: Any) -> DataProfile:
        path = tmp_path / "train.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return probe_data(path, **keywords)

    return probe


CHECK = {"check": "number"}
USER, BOT = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}

SHAPES: list[tuple[str, DataKind, dict[str, Any]]] = [
    ("messages", DataKind.INSTRUCTIONS, {"messages": [USER, BOT]}),
    (
        "sharegpt",
        DataKind.INSTRUCTIONS,
        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yo"}]},
    ),
    ("alpaca", DataKind.INSTRUCTIONS, {"instruction": "Add", "input": "1 2", "output": "3"}),
    ("prompt-completion", DataKind.INSTRUCTIONS, {"prompt": "a", "completion": "b"}),
    ("prompt-completion", DataKind.INSTRUCTIONS, {"prompt": [USER], "completion": [BOT]}),
    ("qa-pairs", DataKind.QA_PAIRS, {"question": "a", "answer": "b", "context": "c"}),
    ("preferences", DataKind.PREFERENCES, {"prompt": "a", "chosen": "b", "rejected": "c"}),
    ("preferences", DataKind.PREFERENCES, {"chosen": [USER, BOT], "rejected": [USER, {**BOT, "content": "No"}]}),
    ("feedback", DataKind.FEEDBACK, {"prompt": "a", "completion": "b", "label": True}),
    ("feedback", DataKind.FEEDBACK, {"prompt": "a", "completion": "b", "label": 0}),
    ("feedback", DataKind.FEEDBACK, {"prompt": "a", "completion": "b", "label": "False", "score": 2}),
    ("prompt-completion", DataKind.INSTRUCTIONS, {"prompt": "a", "completion": "b", "label": "maybe"}),
    ("rewards", DataKind.REWARDS, {"prompt": "a", "answer": "2", "check": "number"}),
    ("rewards", DataKind.REWARDS, {"question": "a", "answer": "2", "check": "exact"}),
    ("qa-pairs", DataKind.QA_PAIRS, {"prompt": "a", "answer": "2"}),
    ("labels", DataKind.INSTRUCTIONS, {"text": "good film", "label": 1}),
    ("tool-calls", DataKind.TOOL_CALLS, {"messages": [USER, {"role": "assistant", "tool_calls": [{"name": "f"}]}]}),
    ("tool-calls", DataKind.TOOL_CALLS, {"messages": [USER, BOT], "tools": [{"name": "f"}]}),
    ("parallel", DataKind.PARALLEL, {"translation": {"en": "house", "de": "Haus"}}),
    ("parallel", DataKind.PARALLEL, {"en": "house", "de": "Haus"}),
    ("text", DataKind.TEXT, {"text": "Once upon a time"}),
    ("documents", DataKind.DOCUMENTS, {"title": "T", "text": "Once upon a time"}),
]


@pytest.mark.parametrize(("shape", "kind", "row"), SHAPES, ids=[f"{i}-{s[0]}" for i, s in enumerate(SHAPES)])
def test_every_usual_shape_is_recognised(
    probed: Callable[..., DataProfile], shape: str, kind: DataKind, row: dict[str, Any]
) -> None:
    """Shape and kind by the keys of the rows, whatever their case; each names techniques to go on with."""
    for keys in (row, {key.upper(): value for key, value in row.items()}):
        found = probed([keys] * 3)
        assert (found.shape, found.kind, found.rows, found.bad_row_count) == (shape, kind, 3, 0)
        assert found.suggested


def test_answers_with_a_score_are_no_tasks(probed: Callable[..., DataProfile]) -> None:
    """A score makes an answer no right one: refused with what to make of it, unless they are to be imitated."""
    rows = [{"prompt": "a", "completion": "I hate you", "reward": -1.0}] * 3
    for kind in (None, DataKind.REWARDS):
        with pytest.raises(AdvisorError, match=r"train\.jsonl:1: answers with a score") as caught:
            probed(rows, kind=kind)
        assert caught.value.code == 2
        assert all(word in caught.value.hint for word in ("for kto", "for dpo", "check; for grpo"))
    found = probed(rows, kind=DataKind.INSTRUCTIONS)
    assert (found.shape, found.kind, found.rows, found.suggested) == ("scored", DataKind.INSTRUCTIONS, 3, ())


def test_tasks_among_which_some_have_scores_or_checks_that_do_not_fit(probed: Callable[..., DataProfile]) -> None:
    """In a file of tasks, an answer with a score and a check that does not fit are unusable rows."""
    task = {"prompt": "a", "answer": "2", "check": "number"}
    scored = {"prompt": "b", "completion": "c", "score": 1}
    bad = [scored, {**task, "check": "magic"}, {**task, "answer": "two"}, {"prompt": "a", "completion": "2", **CHECK}]
    found = probed([task, task, *bad])
    assert found.suggested == ("grpo",)
    assert [(row.line, row.reason.partition(": ")[2][:14]) for row in found.bad_rows] == [
        (3, "it has a score"),
        (4, "'check' is non"),
        (5, "'check' is 'nu"),
        (6, "it has a check"),
    ]


def test_suggested_techniques_are_those_of_the_knowledge(probed: Callable[..., DataProfile]) -> None:
    """Each id that a shape suggests is an entry under trees/techniques."""
    known = {path.stem for path in (Path(__file__).parents[3] / "trees/techniques").glob("*.yaml")}
    suggested = {name for _, _, row in SHAPES for name in probed([row]).suggested}
    assert suggested <= known


def rows_of(number: int) -> list[dict[str, str]]:
    """Different instruction rows with line breaks, quotes and letters beyond ASCII."""
    return [{"instruction": f'Say "{i}",\nplease', "output": f"Naïve № {i}"} for i in range(number)]


def written(folder: Path, kind: str, rows: list[dict[str, str]]) -> Path:
    """The rows as one file of the given kind."""
    path = folder / f"data.{kind.split('-')[0]}"
    if kind == "json-indented":
        path.write_text(json.dumps(rows, indent=2, ensure_ascii=False), encoding="utf-8-sig")
    elif kind == "json":
        path.write_text(json.dumps(rows))
    elif kind == "json-wrapped":
        path.write_text(json.dumps({"version": 1, "data": rows}))
    elif kind in ("jsonl", "json-lines"):
        path.write_text("\n".join(json.dumps(row) for row in rows))
    elif kind == "parquet":
        pyarrow = pytest.importorskip("pyarrow")
        pytest.importorskip("pyarrow.parquet").write_table(pyarrow.Table.from_pylist(rows), path)
    else:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(
                file, list(rows[0]), delimiter={"csv": ",", "tsv": "\t", "csv-semicolon": ";"}[kind]
            )
            writer.writeheader()
            writer.writerows(rows)
    return path


KINDS = ["jsonl", "json", "json-indented", "json-lines", "json-wrapped", "csv", "tsv", "csv-semicolon", "parquet"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_rows_give_the_same_profile_in_every_format(tmp_path: Path, kind: str) -> None:
    """JSON Lines, JSON arrays, CSV, TSV and Parquet differ in nothing but the format's name."""
    found = probe_data(written(tmp_path, kind, rows_of(300)))
    assert (found.shape, found.rows, found.bad_row_count, found.duplicates) == ("alpaca", 300, 0, 0)
    assert found.tokens is not None and found.tokens.max == 8


@pytest.mark.parametrize("kind", ["jsonl", "json-indented", "csv", "parquet"])
def test_a_quick_look_comes_close(tmp_path: Path, kind: str) -> None:
    """The beginning and the size tell the number of rows to within a few percent, marked as estimated."""
    found = probe_data(written(tmp_path, kind, rows_of(30_000)), quick=True)
    assert found.is_estimated
    assert found.rows == pytest.approx(30_000, rel=0.08)


def test_a_quick_look_at_a_small_file_is_exact(tmp_path: Path) -> None:
    """What fits into the quick look is counted."""
    found = probe_data(written(tmp_path, "jsonl", rows_of(50)), quick=True)
    assert (found.rows, found.is_estimated) == (50, False)


def test_bad_rows_are_told_by_line_and_reason(tmp_path: Path) -> None:
    """Torn JSON, wrong types, wrong encodings: the line, the reason, the first five, and the count."""
    good = json.dumps({"prompt": "a", "completion": "b"}).encode()
    bad = [
        b"{torn",
        b"[1]",
        b'{"prompt": 3, "completion": "b"}',
        b'{"prompt": "a"}',
        b'{"prompt": "\xff"}',
        b'{"prompt": "\\ud800", "completion": "b"}',
        b"[" * 100_000,
    ]
    path = tmp_path / "d.jsonl"
    path.write_bytes(b"\n".join([good, *bad, good]))
    found = probe_data(path)
    assert (found.rows, found.bad_row_count) == (2, len(bad))
    assert [row.line for row in found.bad_rows] == [2, 3, 4, 5, 6]
    reasons = " ".join(row.reason for row in found.bad_rows)
    assert all(word in reasons for word in ("not JSON", "not an object", "a number, not text", "missing", "not UTF-8"))


def test_a_csv_row_with_too_many_fields_is_bad(tmp_path: Path) -> None:
    """The header decides how many fields a row has."""
    (tmp_path / "d.csv").write_text("prompt,completion\na,b\na,b,c\nd,e\n")
    found = probe_data(tmp_path / "d.csv")
    assert (found.rows, [(row.line, row.reason) for row in found.bad_rows]) == (
        2,
        [(3, "3 fields where the header has 2")],
    )


def test_an_array_that_breaks_off_keeps_what_came_before(tmp_path: Path) -> None:
    """A JSON array cut in the middle: the rows before are counted, the place of the break is a bad row."""
    path = written(tmp_path, "json-indented", rows_of(10))
    path.write_text(path.read_text(encoding="utf-8")[:-60], encoding="utf-8")
    found = probe_data(path)
    assert found.rows in (8, 9)
    assert found.bad_row_count == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("d.jsonl", b"", "is empty"),
        ("d.jsonl", b"\n\n", "has no rows"),
        ("d.jsonl", b"{bad\n{bad\n", "not JSON"),
        ("d.jsonl", b'{"foo": 1}', "no known shape"),
        ("d.json", b"{", "not JSON"),
        ("d.csv", b"a,b\n1,2\n", "no known shape"),
        ("d.jsonl", "{}".encode("utf-16"), "UTF-16"),
        ("d.parquet", b"PAR1nonsense", "not a readable Parquet"),
        ("d.jsonl.gz", b"\x1f\x8b", "compressed"),
        ("d.xyz", b"hello", "unknown data format"),
    ],
)
def test_unusable_data_is_one_message(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    """Each is an error with exit 2 that names the file; never a traceback."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AdvisorError, match=message) as caught:
        probe_data(tmp_path / name)
    assert caught.value.code == 2


def test_data_that_is_not_there_is_one_message(tmp_path: Path) -> None:
    """A missing path, an empty folder, and a pipe, which would be waited for without end."""
    with pytest.raises(AdvisorError, match="no data at"):
        probe_data(tmp_path / "nothing")
    with pytest.raises(AdvisorError, match="holds no files"):
        probe_data(tmp_path)
    os.mkfifo(tmp_path / "pipe.jsonl")
    with pytest.raises(AdvisorError, match="neither a file nor a folder"):
        probe_data(tmp_path / "pipe.jsonl")


def test_duplicates_empty_answers_and_equal_preferences_are_counted(probed: Callable[..., DataProfile]) -> None:
    """Repetitions up to case and white space, answers of nothing, and preferences for itself."""
    ask = {"prompt": "a", "completion": "b"}
    assert probed([ask, {"prompt": "A ", "completion": "b"}, {"prompt": "x", "completion": "y"}]).duplicates == 1
    assert probed([ask, {"prompt": "a", "completion": " "}]).empty_rows == 1
    assert probed([{"messages": [USER, BOT]}, {"messages": [USER]}]).empty_rows == 1
    same = {"prompt": "a", "chosen": "b", "rejected": "b "}
    assert probed([same, {"prompt": "a", "chosen": "b", "rejected": "c"}]).equal_preferences == 1


def test_held_out_rows_that_ask_what_training_asks_are_leaks(
    tmp_path: Path, probed: Callable[..., DataProfile]
) -> None:
    """Through a `split` column, and through a test file beside the training file."""
    rows = [{"prompt": f"q{i}", "completion": "x"} for i in range(10)]
    split = [{**row, "split": "train"} for row in rows] + [{"prompt": "q1", "completion": "z", "split": "test"}]
    found = probed(split)
    assert (found.leaked_rows, found.splits) == (1, {"test": 1, "train": 10})
    found = probed([{key.upper(): value.replace("test", "held-out") for key, value in row.items()} for row in split])
    assert (found.leaked_rows, found.splits) == (1, {"held-out": 1, "train": 10})
    (tmp_path / "test.jsonl").write_text(
        "\n".join(json.dumps(row) for row in [*rows[:3], {"prompt": "n", "completion": "x"}])
    )
    found = probed(rows)
    assert (found.leaked_rows, found.rows, found.splits) == (3, 10, {"held-out": 4})


@pytest.mark.parametrize(
    "secret",
    [
        "AKIA" + "A1B2" * 4,
        "ghp_" + "a1B2" * 9,
        "hf_" + "abCD" * 9,
        "-----BEGIN RSA PRIVATE KEY-----",
        "password: hunter2hunter",
    ],
)
def test_secrets_are_hinted_at_and_never_shown(probed: Callable[..., DataProfile], secret: str) -> None:
    """Rows that seem to hold a key are counted, the first is named by line, and the key appears nowhere."""
    found = probed([{"text": "harmless"}, {"text": f"use {secret} to log in"}])
    assert found.secret_rows == 1
    assert any("line 2" in finding for finding in found.findings)
    assert secret not in found.model_dump_json()


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The name of the house is the name of this street and that is all", "English"),
        ("Das Haus ist nicht für die Katze und der Hund ist auf ein Mal weg", "German"),
        ("Le chat est dans une maison que les enfants aiment pour le plaisir", "French"),
        ("Дом стоит на зелёном холме над большой рекой", "Cyrillic"),
        ("这是一个关于语言模型的句子", "Chinese"),
        ("これは日本語の文です", "Japanese"),
    ],
)
def test_the_dominant_language_or_script_is_hinted(
    probed: Callable[..., DataProfile], text: str, language: str
) -> None:
    """By frequent words for Latin script, by characters otherwise."""
    assert probed([{"text": text}] * 5).languages == (language,)


def test_control_characters_in_data_are_never_passed_on(tmp_path: Path) -> None:
    """A role or split with escape sequences in it shows up escaped, in reasons and splits alike."""
    rows = [{"text": "a", "split": "x\x1b[31m"}, {"text": {"a": 1}, "\x1b]0;title\x07": 1}]
    (tmp_path / "d.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    (tmp_path / "e.jsonl").write_text('{"\\u001b[2J": 1}')
    assert "\x1b" not in repr(probe_data(tmp_path / "d.jsonl").model_dump_json()).replace("\\x1b", "")
    assert list(probe_data(tmp_path / "d.jsonl").splits) == ["x\\x1b[31m"]
    with pytest.raises(AdvisorError) as caught:
        probe_data(tmp_path / "e.jsonl")
    assert "\x1b" not in caught.value.message()


def test_a_folder_of_documents_is_one_row_per_file(tmp_path: Path) -> None:
    """Texts are read, PDF files counted, hidden files passed over, broken encodings named."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.md").write_text("# The first of the documents")
    (tmp_path / "sub/b.txt").write_text("second")
    (tmp_path / "c.pdf").write_bytes(b"%PDF-1.7")
    (tmp_path / "d.txt").write_bytes(b"ok\n\xff")
    (tmp_path / ".hidden").write_text("x")
    found = probe_data(tmp_path)
    assert (found.shape, found.kind, found.rows) == ("documents", DataKind.DOCUMENTS, 3)
    assert [(row.file, row.line) for row in found.bad_rows] == [("d.txt", 2)]
    assert any("1 .pdf" in finding for finding in found.findings)


def test_a_quick_look_at_many_documents_counts_them_all(tmp_path: Path) -> None:
    """A few are read; the number of documents is exact, their tokens are estimated from those read."""
    for number in range(200):
        (tmp_path / f"{number:03}.md").write_text("word " * 80)
    found = probe_data(tmp_path, quick=True)
    assert (found.rows, found.tokens_total, found.is_estimated) == (200, 200 * 100, True)


def test_a_folder_of_row_files_is_one_data_set(tmp_path: Path) -> None:
    """Shards are read together, files named test are held out, and bad rows carry their file's name."""
    for name, rows in (("a", rows_of(5)), ("b", rows_of(8)[5:]), ("test", rows_of(2))):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    with (tmp_path / "b.jsonl").open("a") as file:
        file.write("\n{")
    found = probe_data(tmp_path)
    assert (found.rows, found.splits, found.leaked_rows) == (8, {"held-out": 2}, 2)
    assert (found.bad_rows[0].file, found.bad_rows[0].line) == ("b.jsonl", 4)


def test_the_built_in_data_is_known_in_each_of_its_kinds() -> None:
    """Marked as estimated, since it depends on the running Python; an impossible kind is an error."""
    for kind in BUILTIN_ROWS:
        found = probe_data("builtin:stdlib", kind=kind)
        assert (found.kind, found.is_estimated) == (kind, True)
    with pytest.raises(AdvisorError, match="no data of kind facts"):
        probe_data("builtin:stdlib", kind=DataKind.FACTS)


def test_the_built_in_figures_are_near_those_of_this_python() -> None:
    """What the profile claims is within a quarter of what the executors make here."""
    stdlib = pytest.importorskip("executors.datasets.stdlib")
    for kind, (_, rows, *_rest) in BUILTIN_ROWS.items():
        assert len(stdlib.load(kind, False)) == pytest.approx(rows, rel=0.25)


MEASURED = """
import json, re, sys
from pathlib import Path
from advisor.probe.data import probe_data
told = []
found = probe_data(sys.argv[1], progress=lambda done, total: told.append((done, total)))
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
print(json.dumps([peak, found.bad_rows[0].reason, found.rows, told]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_memory_stays_bounded_and_progress_is_told(tmp_path: Path) -> None:
    """80 MiB of JSON Lines with a row of 100 MiB among them are read by a process that never holds 110 MiB."""
    line = (json.dumps({"prompt": "q" * 200, "completion": "a" * 800}) + "\n").encode()
    path = tmp_path / "big.jsonl"
    with path.open("wb") as file:
        for _ in range(80):
            file.write(line * (2**20 // len(line)))
        file.write(b'{"prompt": "')
        for _ in range(100):
            file.write(b"x" * 2**20)
        file.write(b'"}\n' + line)
    done = subprocess.run([sys.executable, "-c", MEASURED, path], capture_output=True, text=True, check=True)
    peak, reason, rows, told = json.loads(done.stdout)
    assert peak < 110
    assert (reason, rows) == ("longer than 16 MiB", 80 * (2**20 // len(line)) + 1)
    assert len(told) > 70 and told[-1] == [path.stat().st_size] * 2
    assert told == sorted(told)
