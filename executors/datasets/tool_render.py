"""Tools, calls and results as a chat template takes them; or in plain words, for a template that knows no tools.

Templates that know tools read the variable `tools` and the key `tool_calls` of a turn. For the others the schemas stand
in the system prompt and a call is the JSON of its name and arguments, so that every chat model can learn to call.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from executors.datasets.rows import Message

OFFER = "You may call these tools. To call one, answer with JSON of its name and arguments and nothing else."


def turns_of(
    messages: Sequence[Message], tools: str, template: str | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]] | None]:
    """The turns for a chat template, and the schemas to give it; None when they are told in the turns themselves."""
    knows_tools = template is not None and "tools" in template and "tool_calls" in template
    schemas = json.loads(tools) if tools else None
    turns = [_turn(message, knows_tools) for message in messages]
    if schemas and not knows_tools:
        offer = "\n".join([OFFER, *(json.dumps(tool["function"], ensure_ascii=False) for tool in schemas)])
        if turns and turns[0]["role"] == "system":
            turns[0] = {"role": "system", "content": f"{turns[0]['content']}\n\n{offer}"}
        else:
            turns.insert(0, {"role": "system", "content": offer})
    return turns, schemas if knows_tools else None


def written(calls: str) -> str:
    """Calls as text: one JSON object per line."""
    return "\n".join(json.dumps(call, ensure_ascii=False) for call in json.loads(calls))


def _turn(message: Message, knows_tools: bool) -> dict[str, Any]:
    if not message.calls:
        is_foreign = message.role == "tool" and not knows_tools
        # A template without tools would refuse the role; the result is then what the user's side says next.
        if is_foreign:
            return {"role": "user", "content": f"Result of the call:\n{message.content}"}
        return {"role": message.role, "content": message.content}
    if knows_tools:
        calls = [{"type": "function", "function": call} for call in json.loads(message.calls)]
        return {"role": message.role, "content": message.content, "tool_calls": calls}
    said = f"{message.content}\n" if message.content else ""
    return {"role": message.role, "content": said + written(message.calls)}
