"""Plans that a provider carries out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from advisor.domain.facts import Facts
from advisor.domain.knowledge import Knowledge
from advisor.domain.recommendation import Recommendation
from advisor.engine.compile import compile_plan


@pytest.mark.parametrize(
    ("technique", "model"),
    [
        ("openai-finetune", "gpt-4o-mini"),
        ("claude-finetune", "claude-3-haiku"),
        ("together-finetune", "Qwen/Qwen2.5-7B"),
    ],
)
def test_a_provider_is_given_the_data(
    technique: str, model: str, knowledge: Knowledge, facts_of: Callable[[Mapping[str, Any]], Facts],
    advise: Callable[..., Recommendation],
) -> None:  # fmt: skip
    """Training by a provider is one step that names the provider, the data and the model, and leaves no model here."""
    values = {
        "goal": "change-behavior", "behavior": "task", "compute": "api", "use": [technique], "model": {"id": model},
        "data": {"path": "rows.jsonl", "kind": "instructions", "examples": 900},
    }  # fmt: skip
    plan = compile_plan(advise(values), knowledge, facts_of(values))
    (step,) = plan.steps
    assert (step.executor, step.produces) == ("provider", "remote-model")
    assert step.config["provider"] == technique.split("-")[0]
    assert step.config["data"]["path"] == "rows.jsonl" and plan.model.path == model
