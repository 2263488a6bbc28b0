"""Schemas as languages: what is accepted is valid, and what cannot be decoded under is refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from advisor.domain.errors import AdvisorError
from executors.constrain.automaton import build
from executors.constrain.schema import from_schema
from executors.constrain.valid import is_valid

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 8},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 2},
        "score": {"type": "number", "minimum": -1.5, "maximum": 3},
        "code": {"type": "string", "pattern": "^[A-Z]{2}-\\d+.$"},
        "next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/leaf"}]},
    },
    "required": ["name", "age"],
    "additionalProperties": False,
    "$defs": {"leaf": {"type": "object", "properties": {"ok": {"type": "boolean"}}}},
}


@pytest.mark.parametrize(
    ("text", "is_in"),
    [
        ('{"name":"Ada","age":36}', True),
        ('{"name":"\u00c4d\\n","age":7,"tags":["a","b"],"score":-1}', True),
        ('{"name":"Ada","age":7,"score":2.99,"code":"AB-12x","next":{"ok":true}}', True),
        ('{"name":"Ada","age":120,"tags":[],"next":null}', True),
        ('{"name":"Ada","age":121}', False),
        ('{"name":"Ada","age":07}', False),
        ('{"name":"Ada Lovelace","age":7}', False),
        ('{"name":"Ada","age":7,"score":3.01}', False),
        ('{"name":"Ada","age":7,"tags":["a","a","a"]}', False),
        ('{"age":7}', False),
        ('{"name":"Ada","age":7,"more":1}', False),
        ('{"name":"Ada","age":7', False),
    ],
)
def test_the_language_is_that_of_the_schema(text: str, is_in: bool) -> None:
    """A text is accepted exactly when it is compact JSON that the schema allows."""
    assert build(from_schema(PERSON)).accepts(text.encode()) is is_in
    if is_in:
        assert is_valid(json.loads(text), PERSON)


@pytest.mark.parametrize(
    ("low", "high"), [(0, 0), (0, 9), (7, 13), (0, 120), (-5, 5), (-120, -7), (95, 1005), (999, 1000)]
)
def test_whole_numbers_keep_their_bounds(low: int, high: int) -> None:
    """Of the numbers around the bounds exactly those between them are accepted."""
    automaton = build(from_schema({"type": "integer", "minimum": low, "maximum": high}))
    for number in range(low - 30, high + 31):
        assert automaton.accepts(str(number).encode()) is (low <= number <= high), number
    assert not automaton.accepts(b"-0") or low > 0


LOOP: dict[str, Any] = {"$defs": {"a": {"type": "array", "items": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"}


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "integer", "minimum": 5, "maximum": 3}, "nothing satisfies"),
        ({"type": "string", "minLength": 9, "maxLength": 3}, "nothing satisfies"),
        ({"enum": []}, "nothing satisfies"),
        ({"enum": ["a"], "type": "integer"}, "nothing satisfies"),
        ({"type": "object", "properties": {}, "required": ["x"]}, "nothing satisfies"),
        ({"type": "object", "properties": {"x": False}}, "nothing satisfies"),
        ({"type": "array", "items": {"type": "string"}, "minItems": 3, "maxItems": 2}, "nothing satisfies"),
        ({"type": "string", "pattern": "a{3}b"}, ""),
        ({"type": "string", "pattern": "(?=x)y"}, "cannot constrain"),
        ({"type": "string", "pattern": "("}, "cannot be read"),
        ({"type": "string", "pattern": '"'}, "nothing satisfies"),
        ({"type": "strnig"}, "no type"),
        ({"type": "object", "patternProperties": {}}, "'patternProperties' cannot"),
        ({"oneOf": [{"type": "null"}]}, "no type"),
        ({"$ref": "other.json"}, "refers to"),
        ({"$ref": "#/$defs/none"}, "not in the schema"),
        (LOOP, "deeper than"),
        ({"type": "string", "maxLength": "x"}, "not a whole number"),
        ({"type": "number", "minimum": float("inf")}, "no number"),
        ({}, "no type"),
    ],
)
def test_what_cannot_be_decoded_under_is_refused(schema: dict[str, Any], said: str) -> None:
    """Unsatisfiable, recursive, too deep and unknown schemas end in a sentence that names what is wrong."""
    if not said:
        assert build(from_schema(schema)).accepts(b'"aaab"')
        return
    with pytest.raises(AdvisorError) as raised:
        build(from_schema(schema))
    assert said in raised.value.what


def test_deep_and_large_schemas_are_refused() -> None:
    """Nesting beyond twelve levels and schemas beyond 64 KiB are refused, not decoded under for minutes."""
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(40):
        deep = {"type": "object", "properties": {"a": deep}}
    with pytest.raises(AdvisorError, match="deeper"):
        from_schema(deep)
    with pytest.raises(AdvisorError, match="characters"):
        from_schema({"enum": ["x" * 70_000]})
    with pytest.raises(AdvisorError, match="too large"):
        build(from_schema({"type": "array", "maxItems": 4000, "items": {"type": "string", "maxLength": 4000}}))
