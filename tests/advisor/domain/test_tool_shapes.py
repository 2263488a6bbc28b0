"""`advisor.domain.tool_shapes`: calls are read, and refused with the turn they stand in."""

from __future__ import annotations

from typing import Any

import pytest

from advisor.domain.tool_shapes import BadTools, check_calls, read_calls, read_tools

TOOLS = read_tools([{"name": "add"}])


def test_calls_of_a_known_tool_are_read() -> None:
    """The assistant's calls come back in one shape; without schemas every name is taken."""
    calls: list[dict[str, Any]] = [{"function": {"name": "add", "arguments": '{"a": 1}'}}]
    read = [{"name": "add", "arguments": {"a": 1}}]
    assert check_calls(calls, "assistant", TOOLS, "turn 2") == check_calls(calls, "assistant", [], "turn 2") == read


@pytest.mark.parametrize(
    ("role", "call", "why"),
    [
        ("user", {"name": "add"}, "turn 2 calls tools, which the role 'user' cannot"),
        ("assistant", {"name": "sub"}, "turn 2 calls 'sub', which is none of the tools: add"),
        ("assistant", {}, "turn 2: call 1 has no name"),
    ],
)
def test_calls_that_do_not_fit_name_their_turn(role: str, call: dict[str, Any], why: str) -> None:
    """Calls by another role, of another function, or without a name are refused with the turn and the reason."""
    with pytest.raises(BadTools) as caught:
        check_calls([call], role, TOOLS, "turn 2")
    assert str(caught.value) == why


def test_a_tool_listed_again_counts_once() -> None:
    """Exact repeats are dropped; two different tools of one name are refused."""
    assert read_tools([{"name": "add"}, {"type": "function", "function": {"name": "add"}}]) == TOOLS
    with pytest.raises(BadTools, match="tool 2 has the name of an earlier one, 'add', and is another"):
        read_tools([{"name": "add"}, {"name": "add", "parameters": {"type": "object"}}])


@pytest.mark.parametrize("nothing", ["", " ", None, "null", {}, "{}"])
def test_a_call_may_have_no_arguments(nothing: object) -> None:
    """Nothing, however it is written, is no arguments."""
    assert read_calls([{"function": {"name": "now", "arguments": nothing}}]) == [{"name": "now", "arguments": {}}]
