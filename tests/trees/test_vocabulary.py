"""Each word is declared once and has a label of its own."""

from __future__ import annotations

import pytest

from advisor.domain.knowledge import Knowledge
from advisor.knowledge.checks_tree import WORDS


@pytest.mark.parametrize("name", sorted(WORDS))
def test_words_agree(knowledge: Knowledge, name: str) -> None:
    """The vocabulary holds the words of the domain's type, neither more nor fewer."""
    assert set(knowledge.vocabulary[name]) == {str(word) for word in WORDS[name]}


@pytest.mark.parametrize("name", sorted(WORDS))
def test_labels_differ(knowledge: Knowledge, name: str) -> None:
    """No two words of a vocabulary are shown alike, and none is shown as nothing."""
    labels = list(knowledge.vocabulary[name].values())
    assert len(set(labels)) == len(labels)
    assert all(labels)
