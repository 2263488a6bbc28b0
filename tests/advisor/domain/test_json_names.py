"""`advisor.domain.json_names`: what values are called."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from advisor.domain.json_names import named


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "null"),
        (True, "a truth value"),
        (1, "a number"),
        (1.5, "a number"),
        ("x", "a text"),
        ([], "a list"),
        ({}, "an object"),
        (datetime.date(2020, 1, 1), "of the type date"),
    ],
)
def test_values_are_called_by_the_words_of_json(value: Any, name: str) -> None:
    """Null, truth values, numbers, texts, lists and objects have JSON's names; only what JSON lacks has Python's."""
    assert named(value) == name
