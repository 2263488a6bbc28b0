"""One record of a file, in any of the usual shapes, as a row. Pure: no files, no tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from executors.datasets.rows import Conversation, Message, Preference, Row, Text, ask

ROLES = {
    "system": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    "tool": "tool",
    "function": "tool",
}
"""The names that turns go by, and the role each means."""
SHAPES = "messages, conversations, instruction/output, prompt/completion, question/answer, chosen/rejected, text"


class BadRecord(ValueError):
    """Why a record cannot be used."""


def to_row(record: Any) -> Row:
    """The row a record stands for. Raises BadRecord with the reason when it stands for none."""
    if isinstance(record, str):
        return Text(_text(record, "text"))
    if not isinstance(record, Mapping):
        raise BadRecord(f"is a {type(record).__name__}, not an object")
    keys = {key for key, value in record.items() if value is not None}
    if {"chosen", "rejected"} <= keys:
        return _preference(record)
    for key in ("messages", "conversations"):
        if key in keys:
            return _conversation(record[key], key)
    if {"instruction", "output"} <= keys:
        extra = record.get("input")
        question = _text(record["instruction"], "instruction")
        question += f"\n\n{extra}" if isinstance(extra, str) and extra.strip() else ""
        return ask(question, _text(record["output"], "output"))
    for first, then in (("prompt", "completion"), ("question", "answer"), ("prompt", "response")):
        if {first, then} <= keys:
            return _pair(record[first], record[then], first, then)
    if "text" in keys:
        return Text(_text(record["text"], "text"))
    names = ", ".join(sorted(str(key) for key in keys)[:6]) or "none"
    raise BadRecord(f"has the keys {names}; expected one of: {SHAPES}")


def _pair(prompt: Any, completion: Any, first: str, then: str) -> Row:
    if isinstance(prompt, list) and isinstance(completion, list):
        return _conversation([*prompt, *completion], first)
    return ask(_text(prompt, first), _text(completion, then))


def _conversation(turns: Any, key: str) -> Conversation:
    messages = _messages(turns, key)
    if not any(message.role == "assistant" for message in messages):
        raise BadRecord(f"{key!r} has no turn of the assistant, so there is nothing to learn")
    if messages[0].role == "assistant":
        raise BadRecord(f"{key!r} begins with the assistant")
    return Conversation(messages)


def _messages(turns: Any, key: str) -> tuple[Message, ...]:
    if not isinstance(turns, list) or not turns:
        raise BadRecord(f"{key!r} is not a list of turns")
    messages = []
    for number, turn in enumerate(turns, start=1):
        if not isinstance(turn, Mapping):
            raise BadRecord(f"turn {number} of {key!r} is not an object")
        said = turn.get("role", turn.get("from"))
        role = ROLES.get(said) if isinstance(said, str) else None
        if role is None:
            raise BadRecord(f"turn {number} of {key!r} has the role {said!r}; known are {', '.join(ROLES)}")
        content = turn.get("content", turn.get("value"))
        messages.append(Message(role, _text(content, f"content of turn {number}")))
    return tuple(messages)


def _preference(record: Mapping[str, Any]) -> Preference:
    """Answers as text, or as whole conversations that differ in their last turn."""
    chosen, rejected = record["chosen"], record["rejected"]
    if isinstance(chosen, list) and isinstance(rejected, list):
        better, worse = _messages(chosen, "chosen"), _messages(rejected, "rejected")
        prompt = better[:-1] or _messages(record.get("prompt"), "prompt")
        answers = (better[-1].content, worse[-1].content)
    else:
        said = record.get("prompt", record.get("question"))
        prompt = _messages(said, "prompt") if isinstance(said, list) else (Message("user", _text(said, "prompt")),)
        answers = (_text(chosen, "chosen"), _text(rejected, "rejected"))
    if answers[0] == answers[1]:
        raise BadRecord("'chosen' and 'rejected' are the same")
    return Preference(prompt, *answers)


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise BadRecord(f"{name!r} is {'missing' if value is None else 'not a text'}")
    if not value.strip():
        raise BadRecord(f"{name!r} is empty")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise BadRecord(f"{name!r} holds half of a surrogate pair") from None
    return value
