"""The sentences in two languages."""

from __future__ import annotations

import pytest

from executors.datasets.stdlib_german import both, number
from executors.datasets.stdlib_items import Item


@pytest.mark.parametrize(
    ("value", "word"),
    [(0, "null"), (1, "ein"), (12, "zwölf"), (21, "einundzwanzig"), (30, "dreißig"), (100, "einhundert"),
     (305, "dreihundertfünf"), (1016, "eintausendsechzehn"), (2999, "zweitausendneunhundertneunundneunzig")],
)  # fmt: skip
def test_numbers_are_spelt(value: int, word: str) -> None:
    """Whole numbers are spelt as in German before a noun."""
    assert number(value) == word


def test_both_sides_say_the_same() -> None:
    """English and German name the same object, module and parameters."""
    item = Item("json.loads", "json", "function", "json.loads(s)", "Read a text.", "Read a text.", "json.loads")
    (en, english), (de, german) = both(item, ["s"]).texts
    assert (en, de) == ("en", "de")
    assert "requires the argument `s`" in english and "verlangt das Argument `s`" in german
    assert "has 3 words" in english and "umfasst drei Wörter" in german
