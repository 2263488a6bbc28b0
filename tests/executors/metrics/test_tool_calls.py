"""Calls of tools in what a model wrote."""

from __future__ import annotations

import json

import pytest

from executors.metrics.tool_calls import MOST_CALLS, calls_in, is_same_call

WANTED = json.dumps([{"name": "add", "arguments": {"a": 1, "b": [2, 3]}}])


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "add", "arguments": {"b": [2, 3], "a": 1}}',
        '<tool_call>\n{"name": "add", "arguments": {"a": 1, "b": [2, 3]}}\n</tool_call>',
        'I will add. {"function": {"name": "add", "arguments": "{\\"a\\": 1, \\"b\\": [2, 3]}"}}',
        '{"name": "add", "parameters": {"a": 1, "b": [2, 3]}} done',
    ],
)
def test_the_same_call_in_any_marks_counts(text: str) -> None:
    """Order of keys, marks around a call and the shape of its arguments make no difference."""
    assert is_same_call(text, WANTED)


@pytest.mark.parametrize(
    "text",
    [
        "",
        '{"name": "add", "arguments": {"a": 1, "b": [3, 2]}}',
        '{"name": "add", "arguments": {"a": "1", "b": [2, 3]}}',
        '{"name": "sub", "arguments": {"a": 1, "b": [2, 3]}}',
        '{"name": "add", "arguments": {"a": 1}}',
        '{"name": "add", "arguments": {"a": 1, "b": [2, 3]}} {"name": "add", "arguments": {"a": 1, "b": [2, 3]}}',
        '{"name": "add", "arguments": {"a": 1, "b": [2, 3]}',
    ],
)
def test_another_name_value_or_number_of_calls_does_not(text: str) -> None:
    """A call is right only whole: name, arguments with their types, and how many there are."""
    assert not is_same_call(text, WANTED)


def test_no_call_is_right_where_none_is_wanted() -> None:
    """Where the answer calls nothing, text alone is right and a call is wrong."""
    assert is_same_call("There is no tool for that.", "")
    assert not is_same_call('{"name": "add", "arguments": {}}', "")


def test_hostile_text_ends() -> None:
    """Thousands of braces and calls are read in bounded time, and no more calls than the limit are taken."""
    call = '{"name": "add", "arguments": {}}'
    assert len(calls_in(call * 200)) == MOST_CALLS
    assert calls_in("{" * 20_000) == []
