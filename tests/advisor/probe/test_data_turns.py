"""`advisor.probe.data_turns`: rows of messages that a run would refuse are unusable rows of the probe, too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from advisor.probe.data import probe_data
from executors.datasets.marked_shapes import BadRecord
from executors.datasets.rows import Conversation, Feedback, Message, Preference, ask
from executors.datasets.shapes import to_row

USER, BOT = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
TOOLS = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}]


def call(name: str = "add", arguments: Any = None) -> dict[str, Any]:
    """A turn without text that calls a tool, as an OpenAI client writes it."""
    function = {"name": name, "arguments": {"a": 1} if arguments is None else arguments}
    return {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": function}]}


def asking(*turns: dict[str, Any], tools: Any = TOOLS) -> dict[str, Any]:
    return {"messages": [USER, *turns], "tools": tools}


OTHER = {**BOT, "content": "b"}
DIALOGUE = "\n\nHuman: {}\n\nAssistant: {}"
MARKED = {"prompt": "q", "completion": "a", "label": True}
PAIR = {"prompt": "q", "chosen": "a", "rejected": "b"}
TURNS = {"prompt": [USER], "completion": [BOT]}
TEXT = {"text": "t"}
BAD: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (asking(call()), asking(call(arguments="[1]")), "arguments of call 1 are not an object"),
    (asking(call()), asking(call(arguments={"a": float("nan")})), "NaN"),
    (asking(call()), asking(call("subtract")), "calls 'subtract', which is none of the tools: add"),
    (asking(call()), {"messages": [{**call(), "role": "user"}, BOT], "tools": TOOLS}, "the role 'user' cannot"),
    (
        asking(call()),
        asking(call(), tools=[*TOOLS, {"name": "add"}, {"name": "add", "parameters": {"type": "null"}}]),
        "tool 3 has the name of an earlier one",
    ),
    (asking(BOT), {"messages": [BOT, USER, BOT], "tools": TOOLS}, "'messages' begins with the assistant"),
    (asking(BOT), asking({**BOT, "role": "wizard"}, BOT), "message 2 of 'messages' has the role 'wizard'"),
    (asking(BOT), asking(BOT, {**USER, "content": " "}, BOT), "'messages' has an empty message"),
    (asking(BOT), asking(BOT, USER, {**BOT, "content": ""}), "'messages' has an empty message"),
    (TURNS, {**TURNS, "prompt": [BOT, USER]}, "begins with the assistant"),
    (TURNS, {**TURNS, "completion": [BOT, USER, {**BOT, "content": []}]}, "has an empty message"),
    (TURNS, {**TURNS, "completion": []}, "'completion' has no messages"),
    (TEXT, {"text": [USER]}, "'text' is a list"),
    (PAIR, {**PAIR, "prompt": [{**USER, "role": "wizard"}]}, "message 1 of 'prompt' has the role 'wizard'"),
    (PAIR, {**PAIR, "prompt": [BOT]}, "begins with the assistant"),
    (PAIR, {"chosen": [USER, BOT], "rejected": [BOT, {**BOT, "content": "b"}]}, "ask different things"),
    (PAIR, {"chosen": [USER, USER], "rejected": [USER, BOT]}, "'chosen'"),
    (PAIR, {**PAIR, "prompt": [USER, BOT]}, "'prompt' ends with the assistant"),
    (PAIR, {**PAIR, "prompt": ""}, "'prompt' is empty"),
    (PAIR, {**PAIR, "prompt": []}, "'prompt' has no messages"),
    (PAIR, {"chosen": [USER, BOT, OTHER], "rejected": [USER, BOT, BOT]}, "'chosen' ends with the assistant before"),
    (PAIR, {"chosen": [USER, call()], "rejected": [USER, BOT]}, "'chosen' ends with a call"),
    (PAIR, {"chosen": [BOT], "rejected": [OTHER]}, "'prompt' is missing"),
    (PAIR, {"chosen": [USER, BOT], "rejected": [USER, {**BOT, "content": " "}]}, "message 2 of 'rejected' is empty"),
    (PAIR, {**PAIR, "rejected": ""}, "'rejected' is empty"),
    (PAIR, {**PAIR, "rejected": [OTHER]}, "'rejected' is a list"),
    (PAIR, {"chosen": DIALOGUE.format("q", "a"), "rejected": DIALOGUE.format("other", "b")}, "ask different things"),
    (MARKED, {**MARKED, "prompt": [BOT]}, "'prompt' begins with the assistant"),
    (MARKED, {**MARKED, "completion": [USER, BOT]}, "'completion' is a list"),
    (MARKED, {**MARKED, "completion": [call()]}, "'completion' is a list"),
    (MARKED, {**MARKED, "completion": " "}, "'completion' is empty"),
    (MARKED, {**MARKED, "prompt": [USER, BOT]}, "'prompt' ends with the assistant"),
]


@pytest.mark.parametrize(("good", "bad", "why"), BAD)
def test_what_a_run_refuses_is_an_unusable_row(
    good: dict[str, Any], bad: dict[str, Any], why: str, tmp_path: Path
) -> None:
    """Wrong calls and pairs with wrong roles are counted with line and reason, and a run refuses the same rows."""
    path = tmp_path / "d.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in (good, good, bad)))
    found = probe_data(path)
    assert found.rows == 2
    assert [row.line for row in found.bad_rows] == [3]
    assert why in found.bad_rows[0].reason
    to_row(good)
    with pytest.raises(BadRecord):
        to_row(bad)


def test_a_call_without_text_is_something_to_learn(tmp_path: Path) -> None:
    """Turns with empty content and calls, as OpenAI's format has them, are no rows without an answer."""
    path = tmp_path / "d.jsonl"
    path.write_text("".join(json.dumps(asking(call(arguments={"a": n}))) + "\n" for n in range(3)))
    found = probe_data(path)
    assert (found.shape, found.rows, found.empty_rows) == ("tool-calls", 3, 0)


def test_dialogues_in_one_text_are_pairs(tmp_path: Path) -> None:
    """Rows as HH-RLHF has them are read by probe and run alike: the shared turns are the prompt."""
    first = DIALOGUE.format("q", "yes?") + DIALOGUE
    rows = [{"chosen": first.format(n, "a"), "rejected": first.format(n, "b")} for n in range(3)]
    path = tmp_path / "d.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = probe_data(path)
    assert (found.shape, found.rows, found.bad_row_count) == ("preferences", 3, 0)
    turns = (Message("user", "q"), Message("assistant", "yes?"), Message("user", "2"))
    assert to_row(rows[2]) == Preference(turns, "a", "b")


def test_shared_calls_are_the_same_in_any_form(tmp_path: Path) -> None:
    """Two sides whose earlier call stands once as an object and once as JSON, in another order, ask the same."""
    result = {"role": "tool", "content": "3"}
    better = [USER, call(arguments={"a": 1, "b": 2}), result, BOT]
    row = {"chosen": better, "rejected": [USER, call(arguments='{"b": 2, "a": 1}'), result, OTHER]}
    path = tmp_path / "d.jsonl"
    path.write_text(f"{json.dumps(row)}\n{json.dumps(PAIR)}\n")
    assert probe_data(path).rows == 2
    assert isinstance(to_row(row), Preference)


@pytest.mark.parametrize("tools", ["none", "None", "", "[]", "null"])
def test_a_column_of_tools_may_say_that_there_are_none(tools: str, tmp_path: Path) -> None:
    """Chats beside such a text are plain conversations for the probe and for a run."""
    row = asking(BOT, tools=tools)
    path = tmp_path / "d.jsonl"
    path.write_text((json.dumps(row) + "\n") * 2)
    found = probe_data(path)
    assert (found.shape, found.rows) == ("messages", 2)
    assert to_row(row) == ask("q", "a")


def test_functions_are_taken_where_tools_are_null(tmp_path: Path) -> None:
    """A row with both columns, of which one is null, has the tools of the other."""
    row = asking(call(), tools=None) | {"functions": TOOLS}
    path = tmp_path / "d.jsonl"
    path.write_text(f"{json.dumps(row)}\n{json.dumps(row | {'messages': [USER, call('subtract')]})}\n")
    assert [bad.line for bad in probe_data(path).bad_rows] == [2]
    read = to_row(row)
    assert isinstance(read, Conversation)
    assert json.loads(read.tools)[0]["function"]["name"] == "add"


def test_a_marked_answer_may_be_one_turn(tmp_path: Path) -> None:
    """Marked answers as TRL's conversational sets have them are read by probe and run alike."""
    row = {"prompt": [USER], "completion": [BOT], "label": True}
    path = tmp_path / "d.jsonl"
    path.write_text((json.dumps(row) + "\n") * 2)
    found = probe_data(path)
    assert (found.shape, found.rows, found.bad_row_count) == ("feedback", 2, 0)
    assert to_row(row) == Feedback((Message("user", "q"),), "a", True)
