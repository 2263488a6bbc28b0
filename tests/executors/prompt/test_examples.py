"""Choosing examples."""

from __future__ import annotations

from executors.prompt.examples import Vectors, words

TEXTS = ["the signature of json.dumps", "the signature of json.loads", "capital of France", "how to open a file"]


def test_names_are_split() -> None:
    """Dots, underscores and changes of case part words."""
    assert words("json.JSONDecoder.raw_decode") == ["json", "jsondecoder", "raw", "decode"]
    assert words("getItem") == ["get", "item"]


def test_the_nearest_share_rare_words() -> None:
    """A text's neighbours are those with its rare words, not those with its common ones."""
    assert Vectors(TEXTS).nearest("signature of pickle.dumps", 2) == [0, 1]
    assert Vectors(TEXTS).nearest("France", 1) == [2]
    assert Vectors([]).nearest("x", 3) == []


def test_diverse_examples_differ() -> None:
    """Of near-duplicates only one is taken while others are left."""
    chosen = Vectors(TEXTS).diverse(3)
    assert len(chosen) == 3
    assert not {0, 1} <= set(chosen)
    assert sorted(Vectors(TEXTS).diverse(9)) == [0, 1, 2, 3]
    assert Vectors([]).diverse(2) == []
