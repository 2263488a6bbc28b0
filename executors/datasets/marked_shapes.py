"""Records that carry a judgement: an answer marked good or bad, a prompt with a check. And which rows a kind admits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from advisor.domain.dialogues import sole_answer
from advisor.domain.json_names import named
from advisor.domain.marks import CHECKS, SCORES, mark_of
from advisor.domain.row_shapes import marked_in
from advisor.domain.words import DataKind
from executors.datasets.rows import Conversation, Feedback, Message, Preference, Record, Task

_SHAPES = {
    DataKind.PREFERENCES: (Preference, "chosen and rejected"),
    DataKind.FEEDBACK: (Feedback, "prompt, completion and label"),
    DataKind.REWARDS: (Task, "prompt and answer"),
}


class BadRecord(ValueError):
    """Why a record cannot be used."""


def to_feedback(record: Mapping[str, Any], prompt: tuple[Message, ...]) -> Feedback:
    """An answer with its mark: true or false, as JSON has them or as a table spells them."""
    is_good = mark_of(record["label"])
    if is_good is None:
        raise BadRecord(f"'label' is {str(record['label'])[:40]!r}, not true or false")
    answered = marked_in(record)
    return Feedback(prompt, text_of(sole_answer(record[answered]), answered), is_good)


def to_task(record: Mapping[str, Any], prompt: tuple[Message, ...]) -> Task:
    """A prompt with the answer that a program checks for, exactly where the record names no check."""
    check = "exact" if record.get("check") is None else record["check"]
    if check not in CHECKS:
        raise BadRecord(f"'check' is {str(check)[:40]!r}; known are {', '.join(CHECKS)}")
    answer = text_of(record["answer"], "answer")
    if check == "number" and not any(map(str.isdigit, answer)):
        raise BadRecord("'check' is 'number', and 'answer' has no number, so no answer would be right")
    return Task(prompt, answer, check)


def refuse_unchecked(record: Any, kind: DataKind | None) -> None:
    """Raises BadRecord for what is no task though it looks like one: an answer with a score, or a check of another key.

    A number beside an answer says how good it is, so it is none to be rewarded.
    """
    if kind is not DataKind.REWARDS or not isinstance(record, Mapping):
        return
    keys = {str(key).lower(): str(key) for key, value in record.items() if value is not None}
    given = next((keys[name] for name in ("completion", "response", "output") if name in keys), None)
    if "check" in keys and "answer" not in keys and given is not None:
        raise BadRecord(f"has a check and no answer; rename {given!r} to answer if it is the right one")
    score = next((keys[name] for name in SCORES if name in keys), None)
    if "check" not in keys and score is not None:
        raise BadRecord(
            f"has a score ({score!r}), and its answer need not be the right one; kind rewards needs prompt, "
            "answer and check; make feedback (prompt, completion, label) or pairs (prompt, chosen, rejected) of it"
        )


def fitted(row: Record, kind: DataKind | None) -> Record:
    """The row as rows of this kind are. A question with its answer is a task that wants exactly this answer."""
    if kind not in _SHAPES:
        return row
    wanted, names = _SHAPES[kind]
    if isinstance(row, wanted):
        return row
    if kind is DataKind.REWARDS and isinstance(row, Conversation) and row.messages[-1].role == "assistant":
        return Task(row.messages[:-1], row.messages[-1].content)
    raise BadRecord(f"is no row of kind {kind}: it lacks {names}")


def text_of(value: Any, name: str) -> str:
    """A text with something in it that can be written as UTF-8. Raises BadRecord."""
    if not isinstance(value, str):
        raise BadRecord(f"{name!r} is {'missing' if value is None else f'{named(value)}, not a text'}")
    if not value.strip():
        raise BadRecord(f"{name!r} is empty")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise BadRecord(f"{name!r} holds what is not UTF-8, or half of a surrogate pair") from None
    return value
