"""The knowledge that ships contradicts itself nowhere."""

from __future__ import annotations

from advisor.domain.knowledge import Knowledge
from advisor.knowledge.lint import lint


def test_no_findings(knowledge: Knowledge) -> None:
    """No check has anything to say."""
    assert [f"{f.path}: {f.message}; {f.tip}" for f in lint(knowledge)] == []
