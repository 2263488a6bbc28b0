"""Freshness: of passages that fit about as well, the newer stands first. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

UNKNOWN = 0.5
"""What a passage without a date keeps of its score: that of one exactly one half-life old."""
WEIGHT = 0.5
"""Share of a score that age can take: old passages sink and never vanish."""


def freshened(
    candidates: Sequence[tuple[int, float]], dates: Sequence[str], half_life_days: float, newest: str
) -> list[tuple[int, float]]:
    """(row, score) sorted anew: half of each score fades by half with every half-life of age before `newest`.

    Age counts from the newest document of the index, not from today, so that the same index gives the same answer.
    """
    found = []
    for (row, score), date in zip(candidates, dates, strict=True):
        share = 0.5 ** (_days(date, newest) / half_life_days) if date and newest else UNKNOWN
        found.append((row, score * (1 - WEIGHT + WEIGHT * share)))
    return sorted(found, key=lambda each: (-each[1], each[0]))


def _days(date: str, newest: str) -> int:
    return max(0, (datetime.date.fromisoformat(newest) - datetime.date.fromisoformat(date)).days)
