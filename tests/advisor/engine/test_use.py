"""What a person asks for by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from advisor.domain.recommendation import Recommendation

SMALL: dict[str, Any] = {
    "goal": "change-behavior",
    "behavior": "task",
    "model": {"id": "builtin:smollm2-135m-instruct", "params_b": 0.135, "kind": "instruct"},
    "data": {"path": "builtin:stdlib", "kind": "qa-pairs", "seq_len": 256, "examples": 2000},
}


def test_the_stack_is_made_of_the_steps_asked_for(advise: Callable[..., Recommendation]) -> None:
    """Steps under `use` take the place of those that would be advised, in the engine's order, with what they need."""
    found = advise({**SMALL, "use": ["gguf", "raft"], "serve": {"target": "cpu", "bits": 8}})
    assert [entry.technique for entry in found.stack] == ["raft", "adapter-merge", "gguf"]
    assert found.stack[0].because[0].text == "You asked for it."


def test_supports_asked_for_accompany_the_advice(advise: Callable[..., Recommendation]) -> None:
    """Supports under `use` leave the stack as it is advised and stand beside it."""
    plain, asked = advise(SMALL), advise({**SMALL, "use": ["gradient-checkpointing"]})
    assert [e.technique for e in asked.stack] == [e.technique for e in plain.stack]
    assert "gradient-checkpointing" in {s.technique for s in asked.supports}


def test_what_is_asked_for_and_not_possible_is_refused_with_its_reason(advise: Callable[..., Recommendation]) -> None:
    """A step that the situation does not allow leaves nothing feasible, and the refusal says why."""
    found = advise({**SMALL, "use": ["dpo"]})
    assert not found.feasible
    assert [r.technique for r in found.rejected] == ["dpo"]
