"""One record of a file, in any of the usual shapes, as a row. Pure: no files, no tokenizer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from advisor.domain.dialogues import ROLES, sides_of
from advisor.domain.json_names import named
from advisor.domain.tool_shapes import BadTools, check_calls, read_tools, tools_of
from advisor.domain.words import DataKind
from executors.datasets.languages import is_code
from executors.datasets.marked_shapes import BadRecord, fitted, refuse_unchecked, text_of, to_feedback, to_task
from executors.datasets.rows import Conversation, Message, Parallel, Preference, Record, Text, ask

SHAPES = (
    "messages, conversations, instruction/output, prompt/completion, question/answer, chosen/rejected, "
    "prompt/completion/label, prompt/answer/check, translation, source/target, text"
)
PAIRS = (("prompt", "completion"), ("prompt", "response"), ("question", "answer"), ("prompt", "answer"))
"""Keys of a question and of what is learnt, the first that a record has; the order is that of the prober's `PAIRS`.

An `answer` beside a `response` is the short final one, which only kind rewards wants.
"""
CONTEXTS = ("context", "contexts", "passages", "documents")


def to_row(record: Any, kind: DataKind | None = None) -> Record:
    """The row a record stands for; for kinds that have a shape of their own, a row of that shape.

    Raises BadRecord with the reason when it stands for none.
    """
    refuse_unchecked(record, kind)
    return fitted(_row(record, kind), kind)


def _row(record: Any, kind: DataKind | None) -> Record:
    if isinstance(record, str):
        return Text(text_of(record, "text"))
    if not isinstance(record, Mapping):
        raise BadRecord(f"is {named(record)}, not an object")
    keys = {str(key) for key, value in record.items() if value is not None}
    if {"chosen", "rejected"} <= keys:
        return _preference(record)
    if {"prompt", "completion", "label"} <= keys:
        return to_feedback(record, _prompt(record))
    if "answer" in keys and ("check" in keys or (kind is DataKind.REWARDS and keys & {"prompt", "question"})):
        return to_task(record, _prompt(record))
    for key in ("messages", "conversations"):
        if key in keys:
            return _conversation(record[key], key, record)
    if {"instruction", "output"} <= keys:
        extra = record.get("input")
        question = text_of(record["instruction"], "instruction")
        question += f"\n\n{extra}" if isinstance(extra, str) and extra.strip() else ""
        return _with_passages(ask(question, text_of(record["output"], "output")), record)
    for first, then in PAIRS:
        if {first, then} <= keys:
            return _pair(record, first, then)
    return _plain(record, keys)


def _plain(record: Mapping[str, Any], keys: set[str]) -> Record:
    """A text, or one text in several languages."""
    if "text" in keys:
        date = record.get("date")
        return Text(text_of(record["text"], "text"), text_of(date, "date") if date is not None else "")
    pairs = record.get("translation") if "translation" in keys else record
    if isinstance(pairs, Mapping):
        columns = ("source", "target") if {"source", "target"} <= keys else [key for key in pairs if is_code(key)]
        if len(columns) > 1:
            return Parallel(tuple((str(key), text_of(pairs[key], str(key))) for key in columns))
    names = ", ".join(sorted(keys)[:6]) or "none"
    raise BadRecord(f"has the keys {names}; expected one of: {SHAPES}")


def _pair(record: Mapping[str, Any], first: str, then: str) -> Conversation:
    prompt, completion = record[first], record[then]
    if isinstance(prompt, list) and isinstance(completion, list):
        return _conversation([*prompt, *completion], first, record)
    return _with_passages(ask(text_of(prompt, first), text_of(completion, then)), record)


def _with_passages(row: Conversation, record: Mapping[str, Any]) -> Conversation:
    """The row with the passages that its record brings under one of the usual names."""
    for name in CONTEXTS:
        found = record.get(name)
        if found is not None:
            listed = found if isinstance(found, list) else [found]
            return Conversation(row.messages, row.tools, tuple(text_of(text, name) for text in listed))
    return row


def _conversation(turns: Any, key: str, record: Mapping[str, Any]) -> Conversation:
    schemas = _tools(record)
    messages = _messages(turns, key, schemas)
    if not any(message.role == "assistant" for message in messages):
        raise BadRecord(f"{key!r} has no turn of the assistant, so there is nothing to learn")
    if messages[0].role == "assistant":
        raise BadRecord(f"{key!r} begins with the assistant")
    return _with_passages(
        Conversation(messages, "" if not schemas else json.dumps(schemas, ensure_ascii=False)), record
    )


def _tools(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    tools = tools_of(record)
    try:
        return read_tools(tools) if tools else []
    except BadTools as error:
        raise BadRecord(str(error)) from None


def _messages(turns: Any, key: str, tools: Sequence[Mapping[str, Any]] = ()) -> tuple[Message, ...]:
    if not isinstance(turns, list) or not turns:
        raise BadRecord(f"{key!r} is not a list of turns")
    return tuple(_message(turn, number, key, tools) for number, turn in enumerate(turns, start=1))


def _message(turn: Any, number: int, key: str, tools: Sequence[Mapping[str, Any]]) -> Message:
    if not isinstance(turn, Mapping):
        raise BadRecord(f"turn {number} of {key!r} is not an object")
    said = turn.get("role", turn.get("from"))
    role = ROLES.get(said.lower()) if isinstance(said, str) else None
    if role is None:
        raise BadRecord(f"turn {number} of {key!r} has the role {said!r}; known are {', '.join(ROLES)}")
    content, calls = turn.get("content", turn.get("value")), turn.get("tool_calls")
    if not calls:
        return Message(role, text_of(content, f"content of turn {number}"))
    try:
        made = json.dumps(check_calls(calls, role, tools, f"turn {number} of {key!r}"), ensure_ascii=False)
    except BadTools as error:
        raise BadRecord(str(error)) from None
    return Message(role, text_of(content, f"content of turn {number}") if content else "", made)


def _prompt(record: Mapping[str, Any]) -> tuple[Message, ...]:
    """What is asked, as a text or as turns."""
    said = record["prompt"] if record.get("prompt") is not None else record.get("question")
    if isinstance(said, list):
        return _asking(_messages(said, "prompt"), "prompt")
    return (Message("user", text_of(said, "prompt")),)


def _asking(turns: tuple[Message, ...], name: str) -> tuple[Message, ...]:
    """The turns before an answer. Raises BadRecord for roles with which the assistant is asked nothing."""
    if turns[0].role == "assistant":
        raise BadRecord(f"{name!r} begins with the assistant, so nothing is asked")
    if turns[-1].role == "assistant":
        raise BadRecord(f"{name!r} ends with the assistant before the answer")
    return turns


def _preference(record: Mapping[str, Any]) -> Preference:
    """Answers as text, or as whole conversations that differ in their last turn."""
    chosen, rejected = sides_of(record)
    if isinstance(chosen, list) and isinstance(rejected, list):
        better, worse = _messages(chosen, "chosen"), _messages(rejected, "rejected")
        if _said(better[:-1]) != _said(worse[:-1]):
            raise BadRecord("'chosen' and 'rejected' ask different things: they may differ in their last turn alone")
        prompt = _asking(better[:-1], "chosen") if better[:-1] else _prompt(record)
        answers = (_answer(better[-1], "chosen"), _answer(worse[-1], "rejected"))
    else:
        prompt = _prompt(record)
        answers = (text_of(chosen, "chosen"), text_of(rejected, "rejected"))
    if answers[0] == answers[1]:
        raise BadRecord("'chosen' and 'rejected' are the same")
    return Preference(prompt, *answers)


def _said(turns: Sequence[Message]) -> list[tuple[str, str, Any]]:
    """What is compared of turns: the arguments of a call are the same in any order."""
    return [(turn.role, turn.content, json.loads(turn.calls or "[]")) for turn in turns]


def _answer(turn: Message, name: str) -> str:
    """The last turn of a conversation that is one of two answers."""
    if turn.role != "assistant":
        raise BadRecord(f"{name!r} ends with the role {turn.role!r}, so it has no answer of the assistant")
    if turn.calls:
        raise BadRecord(f"{name!r} ends with a call of a tool; answers that are compared are texts")
    return turn.content
