"""One record of a file, in any of the usual shapes, as a row. Pure: no files, no tokenizer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from advisor.domain.dialogues import ROLES, content_in, is_blank_system, role_in, sides_of
from advisor.domain.json_names import named
from advisor.domain.row_shapes import (
    EXTRA,
    HISTORY,
    KNOWN,
    TURNS,
    BadFields,
    answered_in,
    asked_in,
    columns_of,
    extra_of,
    history_of,
    label_of,
    lowered,
    passages_of,
    refuse_beside_turns,
    refuse_media,
    shape_of,
    system_of,
    text_in,
)
from advisor.domain.tool_shapes import BadTools, check_calls, read_tools, tools_of
from advisor.domain.words import DataKind
from executors.datasets.marked_shapes import BadRecord, fitted, refuse_unchecked, text_of, to_feedback, to_task
from executors.datasets.recipes.passages import asked_from
from executors.datasets.rows import Conversation, Message, Parallel, Preference, Record, Text


def to_row(record: Any, kind: DataKind | None = None) -> Record:
    """The row a record stands for; for kinds that have a shape of their own, a row of that shape.

    Raises BadRecord with the reason when it stands for none.
    """
    refuse_unchecked(record, kind)
    try:
        return fitted(_row(lowered(record), kind), kind)
    except BadFields as error:
        raise BadRecord(str(error)) from None


def _row(record: Any, kind: DataKind | None) -> Record:
    if isinstance(record, str):
        return Text(text_of(record, "text"))
    if not isinstance(record, Mapping):
        raise BadRecord(f"is {named(record)}, not an object")
    refuse_media(record)
    shape = shape_of(record, kind)
    if shape == "labels" and kind in (DataKind.TEXT, DataKind.DOCUMENTS):
        shape = "text"
    if shape not in _TAKEN:
        names = ", ".join(sorted(key for key, value in record.items() if value is not None)[:6]) or "none"
        raise BadRecord(f"has the keys {names}; expected one of: {KNOWN}")
    return _TAKEN[shape](record)


def _plain(record: Mapping[str, Any]) -> Text:
    name, date = text_in(record), record.get("date")
    return Text(text_of(record[name], name), text_of(date, "date") if date is not None else "")


def _parallel(record: Mapping[str, Any]) -> Parallel:
    columns = columns_of(record)
    if len(columns) < 2:
        raise BadRecord("has fewer than two languages")
    return Parallel(tuple((name, text_of(text, name)) for name, text in columns))


def _labelled(record: Mapping[str, Any]) -> Conversation:
    """A text that is answered by its label."""
    name = text_in(record)
    turns = (Message("user", text_of(record[name], name)), *_answering(label_of(record), "label"))
    return Conversation(_after_system(turns, record))


def _pair(record: Mapping[str, Any]) -> Conversation:
    """A question, as a text or turns, and its answer, as a text or turns."""
    asked = asked_in(record)
    answered = answered_in(record, asked)
    said, learnt = record[asked], record[answered]
    if isinstance(said, list) or isinstance(learnt, list):
        schemas = _tools(record)
        before = _asking_turns(record, asked, schemas) if isinstance(said, list) else _asking_text(record, asked)
        after = _messages(learnt, answered, schemas) if isinstance(learnt, list) else _answering(learnt, answered)
        return _spoken((*before, *after), asked, schemas, record)
    turns = (*_asking_text(record, asked), *_answering(learnt, answered))
    return _with_passages(Conversation(_after_system(turns, record)), record)


def _asking_text(record: Mapping[str, Any], asked: str) -> tuple[Message, ...]:
    """What is asked as a text, beneath an instruction what it is about, and the turns before it."""
    before = [Message(role, text_of(text, HISTORY)) for role, text in history_of(record)]
    extra = extra_of(record, asked)
    below = "\n\n" + text_of(extra, EXTRA) if extra else ""
    return (*before, Message("user", text_of(record[asked], asked) + below))


def _asking_turns(
    record: Mapping[str, Any], asked: str, schemas: Sequence[Mapping[str, Any]] = ()
) -> tuple[Message, ...]:
    refuse_beside_turns(record, asked)
    return _messages(record[asked], asked, schemas)


def _answering(answer: Any, name: str) -> tuple[Message, ...]:
    return (Message("assistant", text_of(answer, name)),)


def _after_system(turns: tuple[Message, ...], record: Mapping[str, Any]) -> tuple[Message, ...]:
    """The turns after what the row says to the model before them."""
    said = system_of(record, [(turn.role, turn.content) for turn in turns[:1]])
    return (Message("system", text_of(said, "system")), *turns) if said else turns


def _with_passages(row: Conversation, record: Mapping[str, Any]) -> Conversation:
    """The row with the passages that its record brings under one of the usual names."""
    passages = tuple(text_of(text, "context") for text in passages_of(record))
    return Conversation(row.messages, row.tools, passages) if passages else row


def _conversation(record: Mapping[str, Any]) -> Conversation:
    key = next(name for name in TURNS if record.get(name) is not None)
    schemas = _tools(record)
    return _spoken(_messages(record[key], key, schemas), key, schemas, record)


def _spoken(
    messages: tuple[Message, ...], key: str, schemas: list[dict[str, Any]], record: Mapping[str, Any]
) -> Conversation:
    if not any(message.role == "assistant" for message in messages):
        raise BadRecord(f"{key!r} has no turn of the assistant, so there is nothing to learn")
    if messages[0].role == "assistant":
        raise BadRecord(f"{key!r} begins with the assistant")
    tools = json.dumps(schemas, ensure_ascii=False) if schemas else ""
    return _with_passages(Conversation(_after_system(messages, record), tools), record)


def _tools(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    tools = tools_of(record)
    try:
        return read_tools(tools) if tools else []
    except BadTools as error:
        raise BadRecord(str(error)) from None


def _messages(turns: Any, key: str, tools: Sequence[Mapping[str, Any]] = ()) -> tuple[Message, ...]:
    if not isinstance(turns, list) or not turns:
        raise BadRecord(f"{key!r} is not a list of turns")
    messages = [_message(turn, number, key, tools) for number, turn in enumerate(turns, start=1)]
    spoken = messages if messages[0].content or messages[0].calls else messages[1:]
    if not spoken:
        raise BadRecord(f"{key!r} is not a list of turns that say something")
    return tuple(spoken)


def _message(turn: Any, number: int, key: str, tools: Sequence[Mapping[str, Any]]) -> Message:
    if not isinstance(turn, Mapping):
        raise BadRecord(f"turn {number} of {key!r} is not an object")
    said = role_in(turn)
    role = ROLES.get(said.lower()) if isinstance(said, str) else None
    if role is None:
        raise BadRecord(f"turn {number} of {key!r} has the role {said!r}; known are {', '.join(ROLES)}")
    content, calls = content_in(turn, f"turn {number} of {key!r}"), turn.get("tool_calls")
    if number == 1 and not calls and is_blank_system(role, content):
        return Message(role, "")
    if not calls:
        return Message(role, text_of(content, f"content of turn {number}"))
    try:
        made = json.dumps(check_calls(calls, role, tools, f"turn {number} of {key!r}"), ensure_ascii=False)
    except BadTools as error:
        raise BadRecord(str(error)) from None
    return Message(role, text_of(content, f"content of turn {number}") if content else "", made)


def _prompt(record: Mapping[str, Any]) -> tuple[Message, ...]:
    """What is asked, as a text or as turns, below the passages that come with it."""
    asked = asked_in(record)
    is_turns = isinstance(record[asked], list)
    turns = _asking(_asking_turns(record, asked), asked) if is_turns else _asking_text(record, asked)
    return _before_answer(turns, record)


def _before_answer(turns: tuple[Message, ...], record: Mapping[str, Any]) -> tuple[Message, ...]:
    """The turns with what else the record says before the answer: system prompt, and passages before the question."""
    passages = [text_of(text, "context") for text in passages_of(record)]
    return _after_system((*turns[:-1], asked_from(passages, turns[-1])) if passages else turns, record)


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
        shared = better[:-1]
        prompt = _before_answer(_asking(shared, "chosen"), record) if shared else _prompt(record)
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


_TAKEN: dict[str, Callable[[Mapping[str, Any]], Record]] = {
    "messages": _conversation,
    "sharegpt": _conversation,
    **dict.fromkeys(("alpaca", "qa-pairs", "prompt-completion", "scored"), _pair),
    "preferences": _preference,
    "feedback": lambda record: to_feedback(record, _prompt(record)),
    "rewards": lambda record: to_task(record, _prompt(record)),
    "labels": _labelled,
    "parallel": _parallel,
    "text": _plain,
    "documents": _plain,
}
"""How a record of each shape is taken."""
