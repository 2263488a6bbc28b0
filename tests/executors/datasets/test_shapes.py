"""Records in the usual shapes."""

from __future__ import annotations

from typing import Any

import pytest

from advisor.domain.words import DataKind
from executors.datasets.marked_shapes import BadRecord
from executors.datasets.rows import Conversation, Message, Preference, Row, Task, Text, ask
from executors.datasets.shapes import to_row

TURNS = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
OTHER = {"role": "assistant", "content": "b"}
GOOD: list[tuple[Any, Row]] = [
    ({"messages": TURNS}, ask("q", "a")),
    ({"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}, ask("q", "a")),
    ({"conversations": [{"from": "Human", "value": "q"}, {"from": "bot", "value": "a"}]}, ask("q", "a")),
    ({"instruction": "q", "output": "a"}, ask("q", "a")),
    ({"instruction": "q", "input": "more", "output": "a"}, ask("q\n\nmore", "a")),
    ({"instruction": "q", "input": "", "output": "a"}, ask("q", "a")),
    ({"prompt": "q", "completion": "a"}, ask("q", "a")),
    ({"prompt": TURNS[:1], "completion": TURNS[1:]}, ask("q", "a")),
    ({"question": "q", "answer": "a", "id": 7}, ask("q", "a")),
    ({"prompt": "q", "answer": "a"}, ask("q", "a")),
    ({"prompt": "q", "answer": "1", "check": "number"}, Task((Message("user", "q"),), "1", "number")),
    ({"prompt": None, "question": "q", "answer": "1", "check": "exact"}, Task((Message("user", "q"),), "1")),
    ({"text": "t"}, Text("t")),
    ("t", Text("t")),
    ({"prompt": "q", "chosen": "a", "rejected": "b"}, Preference((Message("user", "q"),), "a", "b")),
    (
        {"chosen": TURNS, "rejected": [TURNS[0], OTHER]},
        Preference((Message("user", "q"),), "a", "b"),
    ),
    (
        {"prompt": "q", "chosen": TURNS[1:], "rejected": [OTHER]},
        Preference((Message("user", "q"),), "a", "b"),
    ),
    (
        {"messages": [{"role": "system", "content": "s"}, *TURNS]},
        Conversation((Message("system", "s"), Message("user", "q"), Message("assistant", "a"))),
    ),
]
BAD: list[tuple[Any, str]] = [
    ({}, "none"),
    (7, "is a number, not an object"),
    (None, "is null, not an object"),
    ([1], "is a list, not an object"),
    (True, "is a truth value"),
    ({"foo": 1}, "keys foo"),
    ({"text": ""}, "is empty"),
    ({"text": 5}, "is a number, not a text"),
    ({"text": "\ud800"}, "surrogate"),
    ({"messages": []}, "not a list of turns"),
    ({"messages": "hello"}, "not a list of turns"),
    ({"messages": ["hello"]}, "turn 1"),
    ({"messages": TURNS[:1]}, "nothing to learn"),
    ({"messages": TURNS[1:]}, "begins with the assistant"),
    ({"messages": [{"role": "wizard", "content": "x"}]}, "'wizard'"),
    ({"messages": [{"role": "user"}, TURNS[1]]}, "content of turn 1"),
    ({"prompt": "q", "completion": None}, "keys prompt"),
    ({"question": "q", "answer": ["a"]}, "'answer'"),
    ({"prompt": "q", "chosen": "a", "rejected": "a"}, "are the same"),
    ({"prompt": TURNS[1:], "chosen": "a", "rejected": "b"}, "'prompt' begins with the assistant"),
    ({"prompt": TURNS, "chosen": "a", "rejected": "b"}, "'prompt' ends with the assistant"),
    ({"prompt": TURNS[1:], "completion": "a", "label": True}, "'prompt' begins with the assistant"),
    ({"chosen": TURNS, "rejected": [{**TURNS[0], "content": "other"}, OTHER]}, "ask different things"),
    ({"chosen": [TURNS[0], TURNS[0]], "rejected": [TURNS[0], OTHER]}, "'chosen' ends with the role 'user'"),
    ({"chosen": TURNS, "rejected": [TURNS[0], {**OTHER, "tool_calls": [{"name": "f"}]}]}, "a call of a tool"),
]


@pytest.mark.parametrize(("record", "row"), GOOD)
def test_every_usual_shape_is_read(record: Any, row: Row) -> None:
    """Each shape gives the row it stands for."""
    assert to_row(record) == row


@pytest.mark.parametrize(("record", "why"), BAD)
def test_bad_records_say_why(record: Any, why: str) -> None:
    """A record that cannot be used says why, and raises nothing else."""
    with pytest.raises(BadRecord) as caught:
        to_row(record)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": "q", "completion": "I hate you", "reward": -1.0},
        {"question": "q", "answer": "a", "Score": 0},
        {"messages": TURNS, "rating": 1},
    ],
)
def test_an_answer_with_a_score_is_no_task(record: dict[str, Any]) -> None:
    """Under kind rewards an answer with a score is refused, since a punished answer would be the wanted one."""
    with pytest.raises(BadRecord, match=r"has a score.*needs prompt, answer and check; make feedback"):
        to_row(record, DataKind.REWARDS)
    assert isinstance(to_row(record, DataKind.INSTRUCTIONS), Conversation)


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ({"prompt": "q", "completion": "1", "check": "number"}, "rename 'completion' to answer"),
        ({"prompt": "q", "answer": "one", "check": "number"}, "'answer' has no number"),
    ],
)
def test_a_check_that_would_be_passed_over_or_never_met_is_refused(record: dict[str, Any], why: str) -> None:
    """A check needs an answer under that name, and a check of numbers an answer with one."""
    with pytest.raises(BadRecord, match=why):
        to_row(record, DataKind.REWARDS)


def test_a_score_beside_a_check_is_passed_over() -> None:
    """A task with a check is told by its check, whatever numbers stand beside it."""
    task = to_row({"prompt": "q", "answer": "1", "check": "number", "score": 3}, DataKind.REWARDS)
    assert task == Task((Message("user", "q"),), "1", "number")


@pytest.mark.parametrize("longer", ["response", "completion"])
def test_the_answer_beside_a_response_is_wanted_by_rewards_alone(longer: str) -> None:
    """A row with a worked solution and its short answer teaches the solution, and rewards the answer."""
    row = {"prompt": "2 + 2?", longer: "2 and 2 make 4", "answer": "4"}
    assert to_row(row, DataKind.INSTRUCTIONS) == ask("2 + 2?", "2 and 2 make 4")
    assert to_row(row, DataKind.REWARDS) == Task((Message("user", "2 + 2?"),), "4")


def test_a_task_without_a_check_may_ask_in_turns() -> None:
    """Under kind rewards a prompt of turns with an answer is a task, be there a check or not."""
    row = {"prompt": [{"role": "system", "content": "s"}, TURNS[0]], "answer": "5"}
    assert to_row(row, DataKind.REWARDS) == Task((Message("system", "s"), Message("user", "q")), "5")
