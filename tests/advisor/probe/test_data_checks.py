"""`advisor.probe.data_checks`: counting repetitions in bounded memory."""

from __future__ import annotations

import pytest

from advisor.probe import data_checks
from advisor.probe.data_checks import Seen


def test_repetitions_are_exact_while_they_fit() -> None:
    """Each later occurrence counts once."""
    seen = Seen()
    for text in ["a", "b", "a", "A ", "c"]:
        seen.add(text)
    assert (seen.repeated, seen.every) == (2, 1)


def test_above_the_limit_a_share_of_the_hashes_is_kept_and_scaled(monkeypatch: pytest.MonkeyPatch) -> None:
    """20,000 texts of which a quarter are repetitions, with room for 1,000 hashes: found to within a fifth."""
    monkeypatch.setattr(data_checks, "MOST_HASHES", 1000)
    seen = Seen()
    for number in range(20_000):
        seen.add(f"text {number % 15_000}")
    assert len(seen._hashes) <= 1000
    assert seen.repeated == pytest.approx(5000, rel=0.2)


def test_what_two_sets_share_is_counted_at_the_coarser_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """One set was thinned, the other not: the estimate holds."""
    monkeypatch.setattr(data_checks, "MOST_HASHES", 2000)
    train, held_out = Seen(), Seen()
    for number in range(20_000):
        train.add(f"text {number}")
    for number in range(18_000, 19_900):
        held_out.add(f"text {number}")
    assert train.common(held_out) == pytest.approx(1900, rel=0.3)
