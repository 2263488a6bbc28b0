"""Marks that say whether an answer is good, as JSON has them or as a table spells them. Pure."""

from __future__ import annotations

from typing import Any

_GOOD = {True: True, False: False, "true": True, "false": False, "1": True, "0": False}


def mark_of(value: Any) -> bool | None:
    """Whether the answer is good: true and false, 1 and 0, or these as texts in any case; None for anything else."""
    key = value.strip().lower() if isinstance(value, str) else value
    return _GOOD.get(key) if isinstance(key, str | int) else None
