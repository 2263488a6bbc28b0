"""advisor/domain/plan.py: a plan is a chain that stays in its folder."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from advisor.domain.plan import Plan

STEP = {"number": 1, "technique": "lora", "family": "finetune", "executor": "finetune", "produces": "adapter"}


def plan(*steps: dict[str, Any]) -> Plan:
    return Plan.model_validate({"name": "x", "model": {"kind": "causal-lm", "path": "x"}, "steps": steps})


def test_numbers_may_be_written_as_numbers() -> None:
    """`adapter: 1` in YAML means step 1."""
    second = {**STEP, "number": 2, "inputs": {"model": "base", "adapter": 1}}
    assert plan(STEP, second).steps[1].inputs["adapter"] == "1"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"number": 2}, "numbered 1, 2, 3"),
        ({"inputs": {"model": "1"}}, "not before it"),
        ({"inputs": {"model": "-1"}}, "pattern"),
        ({"inputs": {"model": "elsewhere"}}, "pattern"),
        ({"technique": "../lora"}, "pattern"),
        ({"technique": "a/b"}, "pattern"),
        ({"technique": "a\n"}, "pattern"),
        ({"executor": "os.path..x"}, "pattern"),
        ({"executor": "/etc/x"}, "pattern"),
    ],
)
def test_refused(change: dict[str, Any], words: str) -> None:
    """Steps out of order, inputs from later steps, and names that are no names are errors."""
    with pytest.raises(ValidationError, match=words):
        plan({**STEP, **change})


def test_step_by_number() -> None:
    """A step is found by its number, and an unknown number is a KeyError."""
    assert plan(STEP).step(1).technique == "lora"
    with pytest.raises(KeyError):
        plan(STEP).step(2)


@pytest.mark.parametrize(
    "change", [{"threads": 0}, {"threads": -1}, {"seed": -1}, {"seed": 2**32}, {"name": "x" * 201}], ids=str
)
def test_numbers_have_bounds(change: dict[str, Any]) -> None:
    """Threads, seeds and names that no library takes are refused with the plan, not in the middle of a run."""
    with pytest.raises(ValidationError, match=next(iter(change))):
        Plan.model_validate({**plan(STEP).model_dump(by_alias=True), **change})


@pytest.mark.parametrize("gate", [float("nan"), float("inf"), -0.1])
def test_gate_is_a_share(gate: float) -> None:
    """A gate that can never or must always fire is refused."""
    with pytest.raises(ValidationError, match="max_regression"):
        plan({**STEP, "max_regression": gate})


def test_what_stands_in_for_a_step_rolled_back() -> None:
    """A model is replaced by the one its step started from, through several; an adapter only by an adapter."""
    step = {"family": "prune", "executor": "prune", "produces": "sparse-lm"}
    plan = Plan.model_validate(
        {
            "name": "x",
            "model": {"kind": "causal-lm", "path": "m"},
            "steps": [
                {**step, "number": 1, "technique": "a", "inputs": {"model": "base"}},
                {**step, "number": 2, "technique": "b", "inputs": {"model": "1"}},
                {**step, "number": 3, "technique": "c", "inputs": {"model": "2"}, "produces": "adapter"},
                {**step, "number": 4, "technique": "d", "inputs": {"model": "2", "adapter": "3"}},
            ],
        }
    )
    assert plan.standing_in("model", "2", set()) == "2"
    assert plan.standing_in("model", "2", {2}) == "1"
    assert plan.standing_in("model", "2", {1, 2}) == "base"
    assert plan.standing_in("adapter", "3", {3}) is None
