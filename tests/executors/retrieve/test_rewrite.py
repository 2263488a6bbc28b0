"""Questions rewritten before they are searched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from executors import retrieve
from executors.retrieve.finder import IndexFinder
from executors.retrieve.rewrite import rewritten


def test_what_the_model_writes_is_taken_apart() -> None:
    """Lists lose their numbers, repeats and the question itself; a made-up answer is taken whole."""
    said = "1. Who is it?\n- Who is it?\n\nWho?\n2) Where is it?"
    assert rewritten("multi-query", ["Who?"], lambda prompts: [said]) == [["Who is it?", "Where is it?"]]
    assert rewritten("hyde", ["Who?"], lambda prompts: [" It is Ann.\nSo. "]) == [["It is Ann.\nSo."]]
    assert rewritten("none", ["Who?"], lambda prompts: 1 / 0) == [[]]  # type: ignore[arg-type, return-value]


def test_a_rewritten_question_finds_more(towns: Path, make_index: Callable[..., Path]) -> None:
    """Words that the model adds bring a passage that the question alone does not; the index decides whether it may."""
    ask, add = "What about the crossing?", lambda prompts: ["The bridge of Elsin" for _ in prompts]
    for rewrite, found in (("hyde", True), ("none", False)):
        folder = make_index(towns, rewrite, search={"by": "keyword", "rewrite": rewrite})
        finder = IndexFinder(retrieve.open_index(folder))
        finder.search_for([ask], 3, write=add)
        assert any(passage.heading == "Elsin > Bridge" for passage in finder.found[ask]) == found
