"""How interactions as written become one answer per pair."""

from __future__ import annotations

from typing import Any

import pytest

from advisor.domain.words import Verdict
from advisor.knowledge.pairs import ProfileEntry, expand

ALWAYS: dict[str, Any] = {"id": "prune-quantize", "first": "prune", "then": "quantize", "verdict": "ok", "because": "b"}
NARROW = {**ALWAYS, "id": "narrow", "first_techniques": ["wanda"], "verdict": "conditional"}
TEACHER = {**ALWAYS, "id": "teacher", "acts_on": "teacher", "verdict": "best"}


def entry(interactions: list[dict[str, Any]], defaults: list[dict[str, Any]]) -> ProfileEntry:
    return ProfileEntry.model_validate(
        {
            "id": "p",
            "families": ["prune", "quantize"],
            "golden_order": ["prune", "quantize"],
            "interactions": interactions,
            "defaults": defaults,
        }
    )


EVERYTHING = {"first": ["prune", "quantize"], "then": ["prune", "quantize"], "verdict": "none", "because": "nothing"}


def test_default_fills() -> None:
    """A pair that no entry answers is answered by the first default that names it."""
    narrower = {**EVERYTHING, "first": ["quantize"], "verdict": "bad"}
    profile = expand(entry([], [narrower, EVERYTHING]))
    assert [(i.id, i.verdict) for i in profile.interactions] == [
        ("prune-quantize", Verdict.NONE),
        ("quantize-prune", Verdict.BAD),
    ]


@pytest.mark.parametrize(
    "narrow", [NARROW, TEACHER, {**ALWAYS, "id": "w", "when": {"fact": "serve_bits", "at_most": 3}}]
)
def test_narrow_entry_keeps_default(narrow: dict[str, Any]) -> None:
    """An entry for some cases stands before the default, which answers the others."""
    profile = expand(entry([narrow], [EVERYTHING]))
    assert [i.id for i in profile.interactions][:2] == [narrow["id"], "prune-quantize"]


def test_whole_entry_replaces_default() -> None:
    """An entry for every case leaves nothing to the default."""
    profile = expand(entry([ALWAYS], [EVERYTHING]))
    assert [i.verdict for i in profile.interactions if i.first == "prune"] == [Verdict.OK]


def test_same_family_only_when_written() -> None:
    """A family after itself is answered only where an entry does."""
    twice = {**ALWAYS, "id": "prune-prune", "then": "prune"}
    assert any(i.id == "prune-prune" for i in expand(entry([twice], [EVERYTHING])).interactions)
    assert all(i.first != i.then for i in expand(entry([], [EVERYTHING])).interactions)


def test_unanswered_pair_is_refused() -> None:
    """A pair that nothing answers is named."""
    with pytest.raises(ValueError, match="quantize then prune"):
        expand(entry([ALWAYS], []))
