"""The tools: bounded, and nothing but arithmetic and look-up."""

from __future__ import annotations

import pytest

from executors.prompt.file import Example
from executors.prompt.tools import Lookup, calculate


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3 * (4 + 5)", "27"),
        ("-7 / 2", "-3.5"),
        ("2 ** 10", "1024"),
        ("7 % 4 // 2", "1"),
        ("1 / 0", "division by zero"),
        ("9 ** 9 ** 9", "not an arithmetic expression"),
        ("__import__('os')", "not an arithmetic expression"),
        ("(1).__class__", "not an arithmetic expression"),
        ("[0] * 10", "not an arithmetic expression"),
        ("1e400", "not an arithmetic expression"),
        ("(-8) ** 0.5", "not an arithmetic expression"),
        ("(" * 150, "not an arithmetic expression"),
        ("1" * 300, "the expression is too long"),
        ("", "not an arithmetic expression"),
    ],
)
def test_arithmetic(text: str, value: str) -> None:
    """Expressions have their value; everything else is a sentence, and nothing is executed."""
    assert calculate(text) == value


def test_lookup() -> None:
    """A name is found exactly, other words by likeness; the result is one bounded line."""
    lookup = Lookup(
        [Example(question="json.dumps", answer="Serialize\nan object. " * 40), Example(question="os", answer="x")]
    )
    assert lookup("`JSON.dumps`").startswith("json.dumps: Serialize an object.")
    assert lookup("serialize object").startswith("json.dumps")
    assert len(lookup("json.dumps")) == 300
    assert Lookup([])("x") == "there are no documents"
