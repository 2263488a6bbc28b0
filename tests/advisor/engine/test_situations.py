"""A hundred and more situations whose right answer is public knowledge, over all goals and machines small and large."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from advisor.domain.recommendation import Recommendation

Values = dict[str, Any]
SITUATIONS: list[Values] = yaml.load(
    (Path(__file__).parents[2] / "data" / "situations.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader
)


def _answers(situation: Values) -> Values:
    hardware: Values = {"gpus": [], "ram_gib": situation.get("ram", 256), "disk_gib": 2000}
    if situation["gpu"] != "none":
        name, gib, *count = situation["gpu"].split(":")
        hardware["gpus"] = [{"name": name, "memory_gib": float(gib), "count": int(count[0]) if count else 1}]
    return {**situation["answers"], "hardware": hardware}


@pytest.mark.parametrize("situation", SITUATIONS, ids=[situation["name"] for situation in SITUATIONS])
def test_situation(situation: Values, advise: Callable[..., Recommendation]) -> None:
    """The stack holds what the source says it must, nothing it must not, in the right order, or nothing is feasible."""
    result = advise(_answers(situation))
    stack = [entry.technique for entry in result.stack]
    families = [entry.family.value for entry in result.stack]
    assert result.feasible == situation.get("feasible", True), [(r.technique, r.because) for r in result.rejected]
    for group in situation.get("any_of", []):
        assert set(group) & set(stack), f"{stack} has none of {group} ({situation['source']})"
    assert not set(situation["none_of"]) & set(stack), stack
    for first, then in situation.get("order", []):
        assert families.index(first) < families.index(then), families
    if not result.feasible:
        assert stack == []
        assert result.rejected and all(refused.because for refused in result.rejected)


def test_there_are_many_and_no_two_alike() -> None:
    """Over a hundred situations, each with its own name and a source."""
    assert len({situation["name"] for situation in SITUATIONS}) == len(SITUATIONS) >= 100
    assert all(situation["source"] for situation in SITUATIONS)
