"""The language reference as general text."""

from __future__ import annotations

import pytest

from advisor.domain.errors import AdvisorError
from advisor.domain.plan import DataSpec
from executors.datasets import load


def test_both_sides_have_text_of_their_own() -> None:
    """There is text on both sides, and no paragraph of it stands on both."""
    sides = [load(DataSpec(path="builtin:reference", kind="text"), side) for side in ("train", "held-out")]
    assert len(sides[0]) > len(sides[1]) > 20
    parts = [{" ".join(p.split()) for row in side for p in row.text.split("\n\n")} for side in sides]  # type: ignore[union-attr]
    assert not {part for part in parts[0] & parts[1] if len(part) > 40}


def test_other_kinds_are_refused() -> None:
    """It holds no conversations."""
    with pytest.raises(AdvisorError, match="no data of kind"):
        load(DataSpec(path="builtin:reference", kind="instructions"), "train")
