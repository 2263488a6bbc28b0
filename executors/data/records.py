"""Rows as JSON records: the project's own shape, and the usual ones of other programs. Pure."""

from __future__ import annotations

import json
from typing import Any, Literal

from executors.datasets.rows import Conversation, Message, Parallel, Preference, Record, Text

Shape = Literal["messages", "alpaca", "sharegpt", "prompt-completion"]
SHAREGPT = {"user": "human", "assistant": "gpt", "system": "system", "tool": "tool"}


class NotInShape(ValueError):
    """Why a row cannot be written in a shape."""


def to_record(row: Record) -> dict[str, Any]:
    """The row so that reading it again gives the same row."""
    if isinstance(row, Text):
        return {"text": row.text, **({"date": row.date} if row.date else {})}
    if isinstance(row, Parallel):
        return {"translation": dict(row.texts)}
    if isinstance(row, Preference):
        return {"prompt": [_turn(m) for m in row.prompt], "chosen": row.chosen, "rejected": row.rejected}
    if not isinstance(row, Conversation):
        raise NotInShape(f"a {type(row).__name__} has no shape of its own")
    record: dict[str, Any] = {"messages": [_turn(message) for message in row.messages]}
    if row.tools:
        record["tools"] = json.loads(row.tools)
    if row.passages:
        record["context"] = list(row.passages)
    return record


def in_shape(row: Record, shape: Shape) -> dict[str, Any]:
    """The row in one of the usual shapes. Texts and pairs have one shape only. Raises NotInShape."""
    if shape == "messages" or not isinstance(row, Conversation):
        return to_record(row)
    if row.tools or any(message.calls for message in row.messages):
        raise NotInShape(f"calls of tools have no place in {shape}")
    if shape == "sharegpt":
        return {"conversations": [{"from": SHAREGPT[m.role], "value": m.content} for m in row.messages]}
    *before, asked, answered = row.messages
    if answered.role != "assistant" or asked.role != "user" or any(m.role != "system" for m in before):
        raise NotInShape(f"{shape} holds one question and its answer, and this has {len(row.messages)} turns")
    context = "\n\n".join(row.passages)
    if shape == "alpaca":
        system = "\n\n".join(m.content for m in before)
        instruction = f"{system}\n\n{asked.content}" if system else asked.content
        return {"instruction": instruction, "input": context, "output": answered.content}
    question = "\n\n".join([*(m.content for m in before), *([context] if context else []), asked.content])
    return {"prompt": question, "completion": answered.content}


def text_of(row: Record) -> str:
    """All that a row says, for comparing rows."""
    if isinstance(row, Text):
        return row.text
    if isinstance(row, Parallel):
        return "\n".join(text for _, text in row.texts)
    if isinstance(row, Preference):
        return "\n".join([*(m.content for m in row.prompt), row.chosen, row.rejected])
    return "\n".join(f"{m.content}{m.calls}" for m in row.messages)


def answer_of(row: Record) -> str:
    """What of a row is learnt."""
    if isinstance(row, Conversation):
        return "\n".join(f"{m.content}{m.calls}" for m in row.messages if m.role == "assistant")
    return row.chosen if isinstance(row, Preference) else text_of(row)


def _turn(message: Message) -> dict[str, Any]:
    calls = (
        {"tool_calls": [{"type": "function", "function": c} for c in json.loads(message.calls)]}
        if message.calls
        else {}
    )
    return {"role": message.role, "content": message.content, **calls}
