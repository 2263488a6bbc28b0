"""`advisor.domain.row_shapes`: rows by the names of their fields, for the probe and for runs alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from advisor.domain.words import DataKind
from advisor.probe.data import probe_data
from executors.datasets.marked_shapes import BadRecord
from executors.datasets.rows import Conversation, Feedback, Message, Parallel, Preference, Record, Task, Text, ask
from executors.datasets.shapes import to_row

USER, BOT = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
SYSTEM, ASKED, ANSWER = Message("system", "s"), Message("user", "q"), Message("assistant", "a")
FROM_PASSAGE = Message("user", "Answer from the passages.\n\n[1] c\n\nQuestion: q")
PUBLISHED: list[tuple[str, dict[str, Any], Record]] = [
    ("alpaca", {"instruction": "q", "input": "more", "output": "a", "text": "q more a"}, ask("q\n\nmore", "a")),
    ("alpaca", {"instruction": "q", "input": "", "output": "a", "prompt": "Below: q ###"}, ask("q", "a")),
    (
        "alpaca",
        {"instruction": "q", "context": "c", "response": "a", "category": "qa"},
        Conversation((ASKED, ANSWER), passages=("c",)),
    ),
    (
        "alpaca",
        {"instruction": "q", "output": "a", "system": "s", "history": [["p", "b"]]},
        Conversation((SYSTEM, Message("user", "p"), Message("assistant", "b"), ASKED, ANSWER)),
    ),
    ("prompt-completion", {"query": "q", "response": "a", "history": [], "image": "x.png"}, ask("q", "a")),
    ("qa-pairs", {"question": "q", "answer": "a", "history": "none known", "images": []}, ask("q", "a")),
    ("alpaca", {"instruction": "q", "context": " ", "response": "a", "category": "qa"}, ask("q", "a")),
    (
        "prompt-completion",
        {"id": "1", "system_prompt": "s", "question": "q", "response": "a"},
        Conversation((SYSTEM, ASKED, ANSWER)),
    ),
    ("prompt-completion", {"system_prompt": "", "question": "q", "response": "a"}, ask("q", "a")),
    ("prompt-completion", {"query": "q", "response": "a", "type": "x", "original_question": "p"}, ask("q", "a")),
    ("prompt-completion", {"problem": "q", "solution": "a", "answer": "4"}, ask("q", "a")),
    ("prompt-completion", {"input": "q", "output": "a"}, ask("q", "a")),
    ("prompt-completion", {"input": "q", "target": "a"}, ask("q", "a")),
    ("prompt-completion", {"inputs": "q", "targets": "a"}, ask("q", "a")),
    ("prompt-completion", {"prompt": [USER], "completion": "a"}, ask("q", "a")),
    ("prompt-completion", {"prompt": "q", "completion": [BOT]}, ask("q", "a")),
    ("qa-pairs", {"question": "q", "answer": "a", "title": "t"}, ask("q", "a")),
    ("messages", {"messages": [USER, BOT], "prompt": "q"}, ask("q", "a")),
    ("sharegpt", {"conversation": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}, ask("q", "a")),
    (
        "sharegpt",
        {"system": "s", "conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
        Conversation((SYSTEM, ASKED, ANSWER)),
    ),
    (
        "messages",
        {"system": "s", "messages": [{"role": "system", "content": "s"}, USER, BOT]},
        Conversation((SYSTEM, ASKED, ANSWER)),
    ),
    ("messages", {"messages": [{"role": "system", "content": " "}, USER, BOT]}, ask("q", "a")),
    (
        "messages",
        {"system": "s", "messages": [{"role": "system", "content": ""}, USER, BOT]},
        Conversation((SYSTEM, ASKED, ANSWER)),
    ),
    ("messages", {"messages": [{**USER, "from": None, "value": None}, {**BOT, "from": None}]}, ask("q", "a")),
    (
        "messages",
        {"messages": [{"role": None, "content": None, "from": "human", "value": "q"}, BOT]},
        ask("q", "a"),
    ),
    (
        "preferences",
        {"system": "s", "question": "q", "chosen": "a", "rejected": "b"},
        Preference((SYSTEM, ASKED), "a", "b"),
    ),
    ("preferences", {"instruction": "q", "chosen": "a", "rejected": "b"}, Preference((ASKED,), "a", "b")),
    ("feedback", {"prompt": "q", "response": "a", "label": True}, Feedback((ASKED,), "a", True)),
    ("feedback", {"prompt": [USER], "response": [BOT], "label": "0"}, Feedback((ASKED,), "a", False)),
    ("rewards", {"problem": "q", "solution": "long", "answer": "4", "check": "number"}, Task((ASKED,), "4", "number")),
    ("rewards", {"question": "q", "answer": "4", "check": "f1", "context": "c"}, Task((FROM_PASSAGE,), "4", "f1")),
    (
        "preferences",
        {"context": "c", "chosen": [USER, BOT], "rejected": [USER, {**BOT, "content": "b"}]},
        Preference((FROM_PASSAGE,), "a", "b"),
    ),
    ("labels", {"text": "q", "label": 1}, ask("q", "1")),
    ("labels", {"sentence": "q", "category": "a"}, ask("q", "a")),
    ("text", {"content": "t"}, Text("t")),
    ("documents", {"title": "x", "body": "t"}, Text("t")),
    ("parallel", {"id": "x1", "en": "house", "de": "Haus"}, Parallel((("en", "house"), ("de", "Haus")))),
    ("parallel", {"source": "house", "target": "Haus"}, Parallel((("source", "house"), ("target", "Haus")))),
]


def written(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "d.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(("shape", "row", "read"), PUBLISHED, ids=[f"{i}-{s[0]}" for i, s in enumerate(PUBLISHED)])
def test_what_the_probe_recognises_a_run_reads(shape: str, row: dict[str, Any], read: Record, tmp_path: Path) -> None:
    """Rows with the names of published sets, also in capitals, have one shape for the probe, and a run's row of it."""
    for keys in (row, {key.upper(): value for key, value in row.items()}):
        found = probe_data(written(tmp_path, keys, keys))
        assert (found.shape, found.rows, found.bad_row_count) == (shape, 2, 0)
        assert to_row(keys, found.kind) == read
        assert to_row(keys) == read


AMBIGUOUS: list[tuple[dict[str, Any], str]] = [
    ({"prompt": "q", "question": "p", "answer": "a"}, "'prompt' and 'question' each ask something"),
    ({"prompt": "q", "input": "more", "completion": "a"}, "'prompt' and 'input' each ask something"),
    ({"instruction": "q", "prompt": "other", "output": "a"}, "'instruction' and 'prompt' each ask something"),
    ({"instruction": "q", "output": "a", "response": "b"}, "'output' and 'response' each answer"),
    ({"question": "q", "answer": "a", "response": "b"}, "'response' and 'answer' each answer"),
    ({"prompt": "q", "completion": "a", "response": "b", "label": 1}, "'response' each answer"),
    ({"prompt": "q", "question": "p", "chosen": "a", "rejected": "b"}, "'prompt' and 'question' each ask"),
    ({"content": "t", "body": "u"}, "'content' and 'body' each hold a text"),
    ({"system": "s", "system_prompt": "r", "prompt": "q", "completion": "a"}, "each give a system prompt"),
    ({"system": "r", "messages": [{"role": "system", "content": "s"}, USER, BOT]}, "'system' and the first turn"),
    ({"instruction": "q", "output": "a", "history": [["p"]]}, "'history' is no list of pairs"),
    ({"question": "q", "answer": "a", "image": {"bytes": "x", "path": None}}, "'image' is a part of the row"),
    (
        {"image": "x.png", "conversations": [{"from": "human", "value": "<image>q"}, {"from": "gpt", "value": "a"}]},
        "take the row out",
    ),
    ({"prompt": [USER], "completion": "a", "history": [["p", "b"]]}, "'history' stands beside 'prompt'"),
    ({"instruction": [USER], "input": "more", "output": "a"}, "'input' stands beside 'instruction'"),
    ({"question": [USER], "history": [["p", "b"]], "answer": "4", "check": "exact"}, "'history' stands beside"),
    ({"instruction": "q", "input": ["more"], "output": "a"}, "'input' is not a text"),
    ({"question": "q", "answer": "a", "context": [1]}, "'context' holds what is no text"),
    ({"text": "t", "label": [1, 2]}, "'label' is no text and no whole number"),
    ({"translation": "house"}, "'translation' is not an object"),
]


@pytest.mark.parametrize(("row", "why"), AMBIGUOUS)
def test_what_may_be_read_in_two_ways_is_refused(row: dict[str, Any], why: str, tmp_path: Path) -> None:
    """Where several fields ask or answer, probe and run refuse the row with the same reason, which names the fields."""
    good = next(known for _, known, _ in PUBLISHED if probe_data(written(tmp_path, known)).shape == _shape(row))
    (bad,) = probe_data(written(tmp_path, good, good, row)).bad_rows
    assert (bad.line, why in bad.reason) == (3, True)
    with pytest.raises(BadRecord) as caught:
        to_row(row)
    assert why in str(caught.value)


def _shape(row: dict[str, Any]) -> str:
    from advisor.domain.row_shapes import shape_of

    return shape_of(row)


def test_one_of_several_fields_may_be_blank(tmp_path: Path) -> None:
    """Columns that a table has for other rows, and leaves empty in this one, make it no less clear."""
    row = {"prompt": "", "question": "q", "completion": None, "answer": "a"}
    assert to_row(row) == ask("q", "a")
    assert probe_data(written(tmp_path, row)).rows == 1


def test_a_label_is_the_answer_unless_the_text_alone_is_wanted() -> None:
    """A labelled text is learnt as text and label, and as a text where the kind of the data is text."""
    row = {"text": "good film", "label": "positive"}
    assert to_row(row, DataKind.INSTRUCTIONS) == ask("good film", "positive")
    assert to_row(row, DataKind.TEXT) == Text("good film")


PARTS = [{"type": "text", "text": "What is "}, {"type": "text", "text": "this?", "image": None}]


def test_parts_of_text_are_one_text(tmp_path: Path) -> None:
    """Texts of a content in parts stand one after another with nothing between, as chat templates write them."""
    row = {"messages": [{"role": "user", "content": PARTS}, {"role": "assistant", "content": [{"text": "a"}]}]}
    assert to_row(row) == ask("What is this?", "a")
    assert probe_data(written(tmp_path, row)).rows == 1
    pair = {"chosen": row["messages"], "rejected": [row["messages"][0], {"role": "assistant", "content": "b"}]}
    assert to_row(pair) == Preference((Message("user", "What is this?"),), "a", "b")
    assert probe_data(written(tmp_path, pair)).rows == 1


@pytest.mark.parametrize(
    ("part", "why"),
    [
        ({"type": "image", "image": "x.png"}, "is of type 'image'"),
        ({"type": "image_url", "image_url": {"url": "x"}}, "say in text what it holds, or take the row out"),
        ({"type": "audio", "text": None}, "is of type 'audio'"),
        ({"type": "text", "text": None}, "the text of part 2"),
        ("text", "is a text, not an object with type and text"),
    ],
)
def test_other_parts_are_refused(part: Any, why: str, tmp_path: Path) -> None:
    """A part that is no text is told by line, turn and type, and what to do; nothing of the row is learnt."""
    bad = {"messages": [{"role": "user", "content": [PARTS[0], part]}, BOT]}
    (told,) = probe_data(written(tmp_path, {"messages": [USER, BOT]}, bad)).bad_rows
    assert (told.line, why in told.reason, "part 2 of" in told.reason) == (2, True, True)
    with pytest.raises(BadRecord) as caught:
        to_row(bad)
    assert why in str(caught.value)
