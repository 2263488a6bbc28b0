"""The share of meaning and words in a hybrid search."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

from executors import retrieve
from executors.documents.questions import Question
from executors.protocol import Stopped
from executors.retrieve.fuse import combined
from executors.retrieve.weigh import choose_share, split
from tests.executors.retrieve.conftest import TOWNS

Make = Callable[..., Path]


def test_the_ends_are_the_searches_themselves() -> None:
    """With a share of 1 only cosines order rows, with 0 only BM25, and between them both count."""
    cosines = numpy.array([0.9, 0.5, 0.8], dtype=numpy.float32)
    keywords = numpy.array([0.0, 4.0, 3.9], dtype=numpy.float32)
    assert list((-combined(cosines, keywords, 1.0)).argsort()) == [0, 2, 1]
    assert list((-combined(cosines, keywords, 0.0)).argsort()) == [1, 2, 0]
    assert combined(cosines, keywords, 0.5).argmax() == 2
    assert combined(cosines, keywords, 0.5).max() <= 1.0
    assert not numpy.isnan(combined(cosines, numpy.zeros(3, numpy.float32), 0.5)).any()


def test_questions_are_learnt_from_or_weighed_with() -> None:
    """No question is on both sides, and too few questions weigh nothing."""
    questions = [Question(f"q{n}", ("a",), ()) for n in range(2000)]
    learnt, weighed = split(questions)
    assert [*learnt, *weighed] == questions
    assert len(weighed) == 200
    assert len(split(questions[:8])[1]) == 2
    assert list(split(questions[:3])[1]) == []


def test_the_better_search_is_given_the_weight(towns: Path, make_index: Make, listener: Any) -> None:
    """Where words find everything and a random model nothing, the choice finds what words find."""
    index = retrieve.open_index(make_index(towns, search={"by": "keyword"}))
    asked = [Question(f"How many people live in {name}?", (str(n),), (), source="x") for name, n in TOWNS.items()]
    share = choose_share(index, asked, listener)
    assert share is not None and share < 1
    hybrid = retrieve.Search(by="hybrid", dense_share=share)
    assert all(question.is_in(index.search(question.text, 1, hybrid)[0].whole) for question in asked)


def test_the_index_keeps_its_share(towns: Path, make_index: Make) -> None:
    """A hybrid index is written with the share that was chosen; a share that is told is kept; others have none."""
    rows = [{"question": f"How many live in {name}?", "answer": str(n)} for name, n in TOWNS.items()]
    (towns / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    data = {"path": str(towns), "kind": "documents", "held_out": 0.01}
    first = make_index(towns, "first", data=data, search={"by": "hybrid"})
    assert retrieve.open_index(first).about.search.dense_share is not None
    told = make_index(towns, "told", data=data, search={"by": "hybrid", "dense_share": 0.3})
    assert retrieve.open_index(told).about.search.dense_share == 0.3
    dense = make_index(towns, "dense", data=data, search={"by": "dense"})
    assert retrieve.open_index(dense).about.search.dense_share is None


def test_weighing_stops_when_asked(towns: Path, make_index: Make, stopping_listener: Any) -> None:
    """A stop during the choice ends it at the next question."""
    index = retrieve.open_index(make_index(towns))
    stopping_listener.stop_after = 0
    with pytest.raises(Stopped):
        choose_share(index, [Question("q", ("a",), ())], stopping_listener)
