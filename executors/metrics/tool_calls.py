"""Calls of tools: found in what a model wrote, and compared with the calls wanted. Pure.

Right is the same names with the same arguments, value for value, as the AST match of the Berkeley function-calling
leaderboard without its tolerance for optional arguments (Patil et al. 2023, Gorilla).
"""

from __future__ import annotations

import json
from typing import Any

from advisor.domain.tool_shapes import BadTools, read_call

MOST_CALLS = 32


def is_same_call(text: str, wanted: str) -> bool:
    """Whether `text` makes exactly the calls of the JSON list `wanted`, in any order; of none where that is empty."""
    expected = sorted(map(_canonical, json.loads(wanted))) if wanted else []
    return sorted(map(_canonical, calls_in(text))) == expected


def calls_in(text: str) -> list[dict[str, Any]]:
    """Every object in the text that is a call, in whatever marks a template puts around it."""
    decoder = json.JSONDecoder()
    found: list[dict[str, Any]] = []
    at = text.find("{")
    while at >= 0 and len(found) < MOST_CALLS:
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            at = text.find("{", at + 1)
            continue
        call = _call(value)
        if call is not None:
            found.append(call)
        at = text.find("{", end if call is not None else at + 1)
    return found


def _call(value: Any) -> dict[str, Any] | None:
    inner = value.get("function", value) if isinstance(value, dict) else None
    if not isinstance(inner, dict) or not ({"arguments", "parameters"} & inner.keys()):
        return None
    try:
        return read_call(value)
    except BadTools:
        return None


def _canonical(call: dict[str, Any]) -> str:
    return json.dumps([call["name"], call["arguments"]], sort_keys=True)
