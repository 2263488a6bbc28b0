"""Finding techniques by words."""

from __future__ import annotations

import pytest

from advisor.domain.words import Family
from advisor.knowledge import load_knowledge
from advisor.knowledge.search import find_techniques


def found(text: str, family: Family | None = None) -> list[str]:
    return [t.id for t in find_techniques(load_knowledge(), text, family)]


def test_no_words_find_all() -> None:
    """Without words every technique is there, in the order of the knowledge."""
    assert found("") == [t.id for t in load_knowledge().techniques]


@pytest.mark.parametrize("family", list(Family))
def test_family(family: Family) -> None:
    """A family leaves its own members and no others."""
    assert found("", family) == [t.id for t in load_knowledge().techniques if t.family is family]


def test_names_come_first() -> None:
    """What begins with the word stands before what has it in its name, and that before what mentions it."""
    ids = found("lora")
    assert ids[0] == "lora"
    assert ids.index("qlora") < ids.index("ia3")


def test_all_words_must_be_there() -> None:
    """Words narrow, in any order and case."""
    assert set(found("GGUF llama.cpp")) == set(found("llama.cpp gguf")) <= set(found("gguf"))
    assert "gguf" in found("llama.cpp gguf")
    assert found("gguf no-such-word") == []
