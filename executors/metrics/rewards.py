"""Rewards that a program can check: how near an answer comes to the right one, from 0 to 1. Pure."""

from __future__ import annotations

import re

from executors.metrics.written import exact_match, f1

_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)*")


def reward(check: str, answer: str, wanted: str) -> float:
    """`exact`: the same up to case and punctuation; `contains`: it stands in the answer as words of its own;
    `number`: the last number is the right one; `f1`: the words shared. Raises KeyError for another check."""
    return {"exact": exact_match, "contains": _contains, "number": _number, "f1": f1}[check](answer, wanted)


def _contains(answer: str, wanted: str) -> float:
    return float(re.search(rf"(?<!\w){re.escape(wanted.strip())}(?!\w)", answer, re.IGNORECASE) is not None)


def _number(answer: str, wanted: str) -> float:
    found, right = _NUMBER.findall(answer), _NUMBER.findall(wanted)
    if not found or not right:
        return 0.0
    try:
        return float(float(found[-1].replace(",", "")) == float(right[-1].replace(",", "")))
    except ValueError:
        return 0.0
