"""Tests of fixes: a fix removes the fault and strictly lowers the cost, whatever the stack."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.domain.facts import Facts
from advisor.engine.fixes import faults, fix, total_cost
from advisor.engine.parts import part_of
from advisor.engine.stack import Situation
from advisor.knowledge import load_knowledge

KNOWLEDGE = load_knowledge()
SITUATION = Situation(KNOWLEDGE, Facts(goal="optimize"))
MODEL_STEPS = tuple(
    t.id for t in KNOWLEDGE.techniques if t.role == "step" and t.family.value not in ("prompt", "retrieve", "data")
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(MODEL_STEPS), min_size=2, max_size=5, unique=True))
def test_fix_strictly_lowers_the_cost(ids: list[str]) -> None:
    """Any fix that is offered leaves a cheaper stack than it found."""
    order = [part_of(KNOWLEDGE.technique(technique_id)) for technique_id in ids]
    fixed = fix(SITUATION, order)
    if fixed is not None:
        changed = [part_of(KNOWLEDGE.technique(technique_id)) for technique_id in fixed]
        assert total_cost(SITUATION, changed) < total_cost(SITUATION, order)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(MODEL_STEPS), min_size=2, max_size=5, unique=True))
def test_fixing_ends(ids: list[str]) -> None:
    """Fix after fix comes to an end, since every one lowers the cost."""
    stack: tuple[str, ...] | None = tuple(ids)
    for _ in range(20):
        order = [part_of(KNOWLEDGE.technique(technique_id)) for technique_id in stack or ()]
        stack = fix(SITUATION, order)
        if stack is None:
            return
    raise AssertionError("twenty fixes and no end")


def test_quantize_first_moves_last() -> None:
    """The best known fault: quantization at the front goes to the end."""
    order = [part_of(KNOWLEDGE.technique(t)) for t in ("awq", "structured-pruning", "response-distillation")]
    assert faults(SITUATION, order)
    fixed = fix(SITUATION, order)
    assert fixed is not None and fixed[-1] == "awq"


def test_good_stack_needs_no_fix() -> None:
    """Where nothing is wrong, nothing is rewritten."""
    order = [part_of(KNOWLEDGE.technique(t)) for t in ("lora", "adapter-merge", "awq")]
    assert fix(SITUATION, order) is None
