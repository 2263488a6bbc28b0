"""What rows say of their answers: marks of good ones, as JSON has them or a table spells them, and checks. Pure."""

from __future__ import annotations

from typing import Any

CHECKS = ("exact", "contains", "number", "f1")
"""How a program compares an answer with the right one; `executors.metrics.rewards` does it."""
SCORES = ("reward", "score", "rating")
"""Names under which rows carry a number for their answer."""
_GOOD = {True: True, False: False, "true": True, "false": False, "1": True, "0": False}


def mark_of(value: Any) -> bool | None:
    """Whether the answer is good: true and false, 1 and 0, or these as texts in any case; None for anything else."""
    key = value.strip().lower() if isinstance(value, str) else value
    return _GOOD.get(key) if isinstance(key, str | int) else None
