"""Schemas of tools and calls of them, in the usual shapes, as one shape each. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

NO_TOOLS = ("", "none", "null", "[]")
"""Texts with which a column of tools says that a row has none."""


class BadTools(ValueError):
    """Why schemas or calls cannot be used."""


def tools_of(row: Mapping[str, Any]) -> Any:
    """The tools that a row names as `tools` or `functions`, for `read_tools`; None where it names none."""
    for value in (row.get("tools"), row.get("functions")):
        if value and not (isinstance(value, str) and value.strip().lower() in NO_TOOLS):
            return value
    return None


def read_tools(value: Any) -> list[dict[str, Any]]:
    """Schemas as `{"type": "function", "function": {name, description, parameters}}`.

    `value`: a list of these or of bare functions, or JSON of such a list. A tool listed again unchanged counts once.
    Raises BadTools, also for two tools of one name.
    """
    listed = _parsed(value, "tools")
    if not isinstance(listed, list):
        raise BadTools("'tools' is not a list")
    tools: dict[str, dict[str, Any]] = {}
    for number, given in enumerate(listed, start=1):
        tool = _tool(given, number)
        name = tool["function"]["name"]
        if tools.setdefault(name, tool) != tool:
            raise BadTools(f"tool {number} has the name of an earlier one, {name!r}, and is another")
    return list(tools.values())


def _tool(tool: Any, number: int) -> dict[str, Any]:
    inner = tool.get("function", tool) if isinstance(tool, Mapping) else None
    if not isinstance(inner, Mapping) or not isinstance(inner.get("name"), str) or not inner["name"].strip():
        raise BadTools(f"tool {number} has no name")
    parameters = inner.get("parameters") or {"type": "object", "properties": {}}
    if not isinstance(parameters, Mapping):
        raise BadTools(f"the parameters of tool {number} are not an object")
    _refuse_unwritable(inner, f"tool {number} holds")
    function = {"name": inner["name"], "description": str(inner.get("description", "")), "parameters": dict(parameters)}
    return {"type": "function", "function": function}


def read_calls(value: Any) -> list[dict[str, Any]]:
    """Calls as `{"name", "arguments": {...}}`. Raises BadTools for a call without a name or with other arguments."""
    listed = _parsed(value, "tool_calls")
    if not isinstance(listed, list):
        raise BadTools("'tool_calls' is not a list")
    return [read_call(call, f"call {number}") for number, call in enumerate(listed, start=1)]


def read_call(call: Any, what: str = "the call") -> dict[str, Any]:
    """One call, whose arguments may be an object, JSON of one, or nothing. Raises BadTools."""
    inner = call.get("function", call) if isinstance(call, Mapping) else None
    if not isinstance(inner, Mapping) or not isinstance(inner.get("name"), str) or not inner["name"].strip():
        raise BadTools(f"{what} has no name")
    arguments = inner.get("arguments", inner.get("parameters"))
    if isinstance(arguments, str):
        arguments = _parsed(arguments.strip() or "{}", f"arguments of {what}")
    arguments = {} if arguments is None else arguments
    if not isinstance(arguments, Mapping):
        raise BadTools(f"the arguments of {what} are not an object")
    _refuse_unwritable(inner["name"], f"the name of {what} holds")
    _refuse_unwritable(arguments, f"the arguments of {what} hold")
    return {"name": inner["name"], "arguments": dict(arguments)}


def check_calls(value: Any, role: str, tools: Sequence[Mapping[str, Any]], where: str) -> list[dict[str, Any]]:
    """The calls of one turn, as `read_calls` gives them.

    `role`: whose turn it is; `tools`: schemas as `read_tools` gives them, none when the row names no tools; `where`:
    which turn, for the reason. Raises BadTools for calls that are not the assistant's, or of another function.
    """
    if role != "assistant":
        raise BadTools(f"{where} calls tools, which the role {role!r} cannot")
    try:
        calls = read_calls(value)
    except BadTools as error:
        raise BadTools(f"{where}: {error}") from None
    names = [tool["function"]["name"] for tool in tools]
    for call in calls:
        if names and call["name"] not in names:
            raise BadTools(f"{where} calls {call['name'][:40]!r}, which is none of the tools: {', '.join(names[:6])}")
    return calls


def _refuse_unwritable(value: Any, what: str) -> None:
    """Python reads NaN and writes it again; a model that learnt it would write what no JSON parser takes."""
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        raise BadTools(f"{what} half of a surrogate pair") from None
    except (ValueError, TypeError, RecursionError):
        raise BadTools(f"{what} what JSON has not, as NaN or an infinite number") from None


def _parsed(value: Any, name: str) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise BadTools(f"{name} is a text that is not JSON") from None
