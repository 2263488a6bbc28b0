"""Rows of messages: their turns, tools and calls, and pairs of answers. Pure.

What a run would refuse in them is told here, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from advisor.domain.dialogues import ROLES, content_in, is_blank_system, role_in, sides_of
from advisor.domain.json_names import named
from advisor.domain.row_shapes import (
    TURNS,
    BadFields,
    asked_in,
    extra_of,
    history_of,
    passages_of,
    refuse_beside_turns,
    system_of,
)
from advisor.domain.tool_shapes import BadTools, check_calls, read_tools, tools_of


class Parts(NamedTuple):
    """The text of one row. `asked` decides duplicates across splits; `answers` is what a model would learn."""

    asked: str
    answers: tuple[str, ...]


class BadShape(BadFields):
    """Why a row does not fit the shape of the others."""


_Turn = tuple[str, str, list[dict[str, Any]]]
"""Role, content and calls of a message."""


def text_of(value: Any, name: str) -> str:
    """A text, or the contents of a list of messages. Raises `BadShape` for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(content for _, content in turns_of(value, name))
    raise BadShape(f"'{name}' is {'missing' if value is None else f'{named(value)}, not text'}")


def turns_of(value: Any, name: str) -> list[tuple[str, str]]:
    """Role and content of each message of a conversation."""
    if not isinstance(value, list):
        raise BadShape(f"'{name}' is {'missing' if value is None else f'{named(value)}, not a list of messages'}")
    turns = []
    for number, turn in enumerate(value, 1):
        if not isinstance(turn, Mapping):
            raise BadShape(f"message {number} of '{name}' is {named(turn)}, not an object")
        role = role_in(turn)
        if not isinstance(role, str):
            raise BadShape(f"message {number} of '{name}' has no role")
        if role.lower() not in ROLES:
            raise BadShape(f"message {number} of '{name}' has the role {role[:40]!r}; known are {', '.join(ROLES)}")
        turns.append((ROLES[role.lower()], _content(turn, number, name)))
    return turns


def _content(turn: Mapping[str, Any], number: int, name: str) -> str:
    content = content_in(turn, f"message {number} of '{name}'")
    if not content and turn.get("tool_calls"):
        return str(turn["tool_calls"])
    if not isinstance(content, str):
        what = "no content" if content is None else f"{named(content)} as content"
        raise BadShape(f"message {number} of '{name}' has {what}")
    return content


def has_tools(row: Mapping[str, Any]) -> bool:
    """Whether a row of messages names tools, calls one, or holds a result."""
    if tools_of(row):
        return True
    turns = next((row[name] for name in TURNS if row.get(name) is not None), None)
    if not isinstance(turns, list):
        return False
    return any(isinstance(t, Mapping) and (t.get("tool_calls") or t.get("role") == "tool") for t in turns)


def conversation(row: Mapping[str, Any]) -> Parts:
    """What is asked, tools among it, and what the assistant says. Raises `BadShape`, also for calls that do not fit."""
    key = next((name for name in TURNS if row.get(name) is not None), TURNS[0])
    turns = turns_of(row.get(key), key)
    spoken = turns[1:] if turns and is_blank_system(*turns[0]) else turns
    answers = tuple(text for role, text in turns if role == "assistant")
    asked = [text for role, text in spoken if role != "assistant"]
    is_empty = [not text.strip() for text in answers]
    if not all(text.strip() for text in asked) or any(is_empty) > all(is_empty):
        raise BadShape(f"'{key}' has an empty message")
    asked += [system_of(row, spoken), *passages_of(row)]
    if spoken and spoken[0][0] == "assistant":
        raise BadShape(f"'{key}' begins with the assistant")
    tools = tools_of(row)
    try:
        schemas = read_tools(tools) if tools else []
        for number, ((role, _), turn) in enumerate(zip(turns, row[key], strict=True), 1):
            if turn.get("tool_calls"):
                check_calls(turn["tool_calls"], role, schemas, f"message {number} of '{key}'")
    except BadTools as error:
        raise BadShape(str(error)) from None
    asked += [str(tools)] if tools else []
    return Parts(_joined(*asked), answers)


def preference(row: Mapping[str, Any]) -> Parts:
    """A prompt and two answers. Raises `BadShape`, also for answers not by the assistant or not to one prompt."""
    chosen, rejected = sides_of(row)
    if not (isinstance(chosen, list) and isinstance(rejected, list)):
        return Parts(prompt_of(row), (one_text(chosen, "chosen"), one_text(rejected, "rejected")))
    better, worse = _read(chosen, "chosen"), _read(rejected, "rejected")
    answers = (_last(better, "chosen"), _last(worse, "rejected"))
    if better[:-1] != worse[:-1]:
        raise BadShape("'chosen' and 'rejected' ask different things")
    shared = better[:-1]
    system = system_of(row, [turn[:2] for turn in shared])
    return Parts(_joined(system, *passages_of(row), _asking(shared, "chosen")) if shared else prompt_of(row), answers)


def prompt_of(row: Mapping[str, Any]) -> str:
    """What is asked, a text or turns. Raises `BadShape` when it is empty, or begins or ends with the assistant."""
    name = asked_in(row)
    if isinstance(row[name], list):
        _asking(_read(row[name], name), name)
    return question_of(row, name)


def question_of(row: Mapping[str, Any], asked: str) -> str:
    """The field that asks, a text or turns, and what belongs to it: system prompt, input, passages."""
    said = row[asked]
    if isinstance(said, list):
        refuse_beside_turns(row, asked)
        turns = _read(said, asked)
        if turns[0][0] == "assistant":
            raise BadShape(f"'{asked}' begins with the assistant")
        system = system_of(row, [turn[:2] for turn in turns])
        return _joined(system, *passages_of(row), *(content for _, content, _ in turns))
    earlier = (text for _, text in history_of(row))
    return _joined(system_of(row), *earlier, one_text(said, asked), extra_of(row, asked), *passages_of(row))


def _joined(*texts: str) -> str:
    return "\n".join(filter(None, texts))


def _asking(turns: list[_Turn], name: str) -> str:
    if turns[0][0] == "assistant":
        raise BadShape(f"'{name}' begins with the assistant")
    if turns[-1][0] == "assistant":
        raise BadShape(f"'{name}' ends with the assistant before the answer")
    return "\n".join(content for _, content, _ in turns)


def _last(turns: list[_Turn], name: str) -> str:
    """The answer that ends a conversation."""
    role, content, calls = turns[-1]
    if role != "assistant":
        raise BadShape(f"'{name}' does not end with a turn of the assistant")
    if calls:
        raise BadShape(f"'{name}' ends with a call of a tool; answers that are compared are texts")
    return content


def _read(value: Any, name: str) -> list[_Turn]:
    """Turns with something in each, and their calls in one shape. Raises `BadShape`."""
    turns: list[_Turn] = []
    for number, ((role, content), turn) in enumerate(zip(turns_of(value, name), value, strict=True), 1):
        where = f"message {number} of '{name}'"
        try:
            calls = check_calls(turn["tool_calls"], role, [], where) if turn.get("tool_calls") else []
        except BadTools as error:
            raise BadShape(str(error)) from None
        if number == 1 and is_blank_system(role, content):
            continue
        if not calls and not content.strip():
            raise BadShape(f"{where} is empty")
        turns.append((role, content if turn.get("content") or turn.get("value") else "", calls))
    if not turns:
        raise BadShape(f"'{name}' has no messages")
    return turns


def one_text(value: Any, name: str) -> str:
    """A text with something in it; a list of messages is none. Raises `BadShape`."""
    if isinstance(value, list):
        raise BadShape(f"'{name}' is a list, not text")
    if not text_of(value, name).strip():
        raise BadShape(f"'{name}' is empty")
    return str(value)
