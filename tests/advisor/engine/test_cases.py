"""Situations whose right answer is documented in public: the advice agrees with every one of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from advisor.domain.recommendation import Recommendation

CASES = json.loads((Path(__file__).parents[2] / "data" / "cases.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_documented_case(case: dict[str, Any], advise: Callable[..., Recommendation]) -> None:
    """The stack holds what the source says it must, holds nothing it must not, in the order it names."""
    result = advise(case["answers"])
    stack = [entry.technique for entry in result.stack]
    families = [entry.family.value for entry in result.stack]
    expected = case["expect"]
    assert result.feasible == expected["feasible"], [(r.technique, r.because) for r in result.rejected]
    for group in expected["any_of"]:
        assert set(group) & set(stack), f"{stack} has none of {group} ({case['source']})"
    assert not set(expected["none_of"]) & set(stack)
    for first, then in expected["order"]:
        assert families.index(first) < families.index(then)
