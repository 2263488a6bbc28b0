"""Rules that guides state in general, instantiated: the right family of answers in situations that nobody measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from advisor.domain.recommendation import Recommendation

Values = dict[str, Any]
GUIDES = yaml.safe_load((Path(__file__).parents[2] / "data" / "guides.yaml").read_text(encoding="utf-8"))
TASK: Values = {"goal": "change-behavior", "behavior": "task"}
CPU: Values = {"gpus": [], "ram_gib": 64}
COMPOSED = [
    ("memory-latency", 1, "A100", ("lora", "adapter-merge", "awq")),
    ("throughput", 64, "H100", ("lora", "adapter-merge", "fp8")),
]


@pytest.mark.parametrize("guide", GUIDES, ids=[guide["name"] for guide in GUIDES])
def test_guide(guide: Values, advise: Callable[..., Recommendation]) -> None:
    """The stack agrees with the rule the guides state for this kind of situation."""
    result = advise(guide["answers"])
    stack = {entry.technique for entry in result.stack}
    assert result.feasible == (guide["one_of"] is not None), [(r.technique, r.because) for r in result.rejected]
    assert guide["one_of"] is None or stack & set(guide["one_of"]), stack
    assert not stack & set(guide["none_of"])


@pytest.mark.parametrize(("aim", "batch", "gpu", "expected"), COMPOSED)
def test_goals_compose(
    aim: str, batch: int, gpu: str, expected: tuple[str, ...], advise: Callable[..., Recommendation]
) -> None:
    """Training and compression in one stack: the adapter is merged between them, and the aim picks the format."""
    values = {
        "also": ["optimize"],
        "optimize_for": aim,
        "model": {"params_b": 7},
        "data": {"kind": "instructions", "examples": 5000},
        "serve": {"target": "gpu", "batch": batch},
        "hardware": {"gpus": [{"name": gpu, "memory_gib": 80}], "ram_gib": 256},
    }
    assert tuple(entry.technique for entry in advise({**TASK, **values}).stack) == expected


def test_merged_variants_can_be_compressed(advise: Callable[..., Recommendation]) -> None:
    """Merging comes before quantizing."""
    values = {
        "also": ["optimize"],
        "optimize_for": "memory-latency",
        "model": {"params_b": 7, "count": 3, "same_base": True},
        "data": {"kind": "none", "examples": 0},
        "serve": {"target": "cpu"},
        "hardware": CPU,
    }
    assert [entry.technique for entry in advise({**TASK, **values}).stack] == ["ties-merge", "gguf"]


def test_misfit_has_its_number(advise: Callable[..., Recommendation]) -> None:
    """What does not fit says how much it needs and how much is free."""
    hardware = {"gpus": [{"name": "RTX 4090", "memory_gib": 24}], "ram_gib": 128}
    data = {"kind": "instructions", "examples": 5000}
    result = advise({**TASK, "model": {"params_b": 70}, "data": data, "hardware": hardware})
    because = {r.technique: r.because for r in result.rejected}
    assert not result.feasible
    assert "GiB" in because["qlora"] and "24.0 are free" in because["qlora"]
