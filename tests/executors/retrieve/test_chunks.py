"""Documents cut into passages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from executors import retrieve
from executors.documents import Document
from executors.retrieve.chunks import Chunking, cut


def words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


@pytest.mark.parametrize("by", ["structure", "length"])
@pytest.mark.parametrize("overlap", [0.0, 0.3])
def test_nothing_is_lost_and_nothing_is_too_long(by: str, overlap: float) -> None:
    """Every word of a document is in a passage, in its order, and no passage is longer than allowed."""
    text = "\n\n".join(" ".join(f"w{p}-{n}." for n in range(p * 7 + 1)) for p in range(12))
    chunks = cut(Document("a", "", text), Chunking(by=by, size=20, overlap=overlap), words)
    assert {word for chunk in chunks for word in chunk.text.split()} == set(text.split())
    assert max(words([chunk.text for chunk in chunks])) <= 20
    assert [chunk.start for chunk in chunks] == sorted(chunk.start for chunk in chunks)


def test_headings_stand_above_their_passages() -> None:
    """Sections stay apart under their trail of headings; a line in a code fence is no heading."""
    text = "# A\n\none\n\n## B\n\ntwo\n\n```\n# not a heading\n```\n\n# C\n\nthree"
    chunks = cut(Document("a", "T", text), Chunking(size=50), words)
    assert [(chunk.heading, chunk.text.split()[0]) for chunk in chunks] == [
        ("A", "one"),
        ("A > B", "two"),
        ("C", "three"),
    ]
    assert "# not a heading" in chunks[1].text


def test_a_word_without_end_is_cut() -> None:
    """A run of characters without a space is cut into parts."""
    chunks = cut(Document("a", "", "x" * 1000), Chunking(size=20, overlap=0), lambda texts: [len(t) for t in texts])
    assert "".join(chunk.text for chunk in chunks) == "x" * 1000
    assert len(chunks) > 1


def test_the_cutting_is_chosen_by_questions(towns: Path, make_index: Callable[..., Path], listener: Any) -> None:
    """Every way to cut is tried on training questions, and the index is cut in one of them."""
    told = {"data": {"path": str(towns), "kind": "documents", "held_out": 0.2}}
    tried = {"sizes": [16, 48], "overlaps": [0.0], "room": 100}
    index = retrieve.open_index(make_index(towns, chunking=None, choose_chunks=tried, **told))
    assert len([line for line in listener.lines if "questions answered within" in line]) == 4
    assert index.about.chunking.size in (16, 48)
