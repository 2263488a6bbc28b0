"""What the values of JSON are called in a reason: by its own words, not by Python's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def named(value: Any) -> str:
    """`null`, or `a truth value`, `a number`, `a text`, `a list`, `an object`; the type of others."""
    if value is None:
        return "null"
    names: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "a truth value"), ((int, float), "a number"), (str, "a text"), (list, "a list"), (Mapping, "an object"),
    )  # fmt: skip
    return next((name for types, name in names if isinstance(value, types)), f"of the type {type(value).__name__}")
