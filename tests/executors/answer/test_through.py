"""Answers through a prompt: reasoning first, form kept, tools bounded, and what was looked up is named."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from advisor.domain.answering import Question, Turn
from advisor.domain.errors import AdvisorError
from executors.answer.through import Through
from executors.constrain import Constraint
from executors.prompt.asking import Asker
from executors.prompt.file import PromptFile

ASKED = Question(
    messages=(Turn(content="hi"), Turn(role="assistant", content="ho"), Turn(content="Why?")), max_tokens=6
)


@pytest.fixture(scope="module")
def loaded(tiny_model: Path) -> Any:
    from executors.models.load import load_model

    return load_model("causal-lm", str(tiny_model))


def ask(loaded: Any, asker: Asker, question: Question = ASKED) -> tuple[str, Any]:
    pieces: list[str] = []
    found = Through(loaded, asker).answer(question, pieces.append, lambda: False)
    return "".join(pieces), found


def test_pieces_make_the_whole_with_its_reasoning(loaded: Any) -> None:
    """Reasoning, what stands between, and the answer arrive as pieces that together are the text."""
    said, found = ask(loaded, Asker(PromptFile(reasoning=5, trigger="Think.", final="\nAnswer: ")))
    assert "\nAnswer: " in said
    assert found.text == said
    assert found.tokens <= 11


def test_a_form_is_kept_whatever_is_asked_for(loaded: Any) -> None:
    """A constraint has its own budget: six tokens asked for do not cut its JSON."""
    schema = {"type": "object", "properties": {"n": {"enum": ["one", "two"]}}, "required": ["n"]}
    _, found = ask(loaded, Asker(PromptFile(constraint=Constraint(json_schema=schema), max_tokens=30)))
    assert json.loads(found.text)["n"] in ("one", "two")


def test_a_trace_of_tools(loaded: Any) -> None:
    """With tools the whole trace is told, and ends with an answer."""
    prompt = PromptFile(strategy="react", tools=("calculator",), max_steps=1, max_tokens=8)
    said, found = ask(loaded, Asker(prompt), Question(messages=(Turn(content="2+2?"),)))
    assert said == found.text
    assert found.text.splitlines()[-1].startswith("Answer: ")


def test_the_last_turn_is_a_question(loaded: Any) -> None:
    """A conversation that ends with an answer has nothing to answer."""
    with pytest.raises(AdvisorError, match="not a question"):
        ask(loaded, Asker(PromptFile(system="x")), Question(messages=(Turn(role="assistant", content="a"),)))


@dataclass
class Found:
    number: int
    title: str
    source: str = ""


class Shelf:
    """A finder with one passage."""

    worked = ()
    k = 1

    def __init__(self) -> None:
        self.found: dict[str, list[Found]] = {}

    def turn(self, question: str) -> str:
        self.found[question] = [Found(1, "json"), Found(2, "os")]
        return f"<passage 1>text</passage 1>\n\nQuestion: {question}"


def test_sources_are_named(loaded: Any) -> None:
    """The answer carries the passages the model was shown, and no others."""
    _, found = ask(loaded, Asker(PromptFile(system="Use the passages."), Shelf()))
    assert found.sources == ("[1] json",)
