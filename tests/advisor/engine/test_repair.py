"""Repairs of stacks that a person put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from advisor.domain.facts import Facts
from advisor.engine.fixes import total_cost
from advisor.engine.parts import part_of
from advisor.engine.repair import difference, repair
from advisor.engine.stack import Situation
from advisor.knowledge import load_knowledge

IDS = ("lora", "qlora", "full-sft", "dpo", "adapter-merge", "wanda", "awq", "gguf", "few-shot", "response-distillation")


@pytest.fixture(scope="module")
def situation(facts_of: Callable[[Mapping[str, Any]], Facts]) -> Situation:
    facts = facts_of({"goal": "change-behavior", "model": {"params_b": 1}, "hardware": {"gpus": "A100:80"}})
    return Situation(load_knowledge(), facts)


def repaired(situation: Situation, *ids: str) -> tuple[str, ...]:
    found = repair(situation, [part_of(situation.knowledge.technique(i)) for i in ids])
    return found.stack if found else ids


def test_a_waiting_adapter_gets_its_merge(situation: Situation) -> None:
    """Between an adapter and a step that needs one model the merge is inserted."""
    assert repaired(situation, "lora", "gguf") == ("lora", "adapter-merge", "gguf")


def test_the_cheaper_repair_is_taken(situation: Situation) -> None:
    """An adapter before a quantization is merged, rather than trained on the quantized model."""
    assert repaired(situation, "lora", "awq") == ("lora", "adapter-merge", "awq")


def test_a_merge_of_nothing_goes(situation: Situation) -> None:
    """A merge without an adapter before it is dropped."""
    assert repaired(situation, "adapter-merge", "gguf") == ("gguf",)


def test_the_order_is_repaired_first(situation: Situation) -> None:
    """A file made to be run is not trained on: the training moves before it, then the chain is mended."""
    once = repaired(situation, "gguf", "lora")
    assert once == ("lora", "gguf")
    assert repaired(situation, *once) == ("lora", "adapter-merge", "gguf")


def test_a_good_stack_stays(situation: Situation) -> None:
    """There is nothing to repair in the stack the engine itself recommends."""
    parts = [part_of(situation.knowledge.technique(i)) for i in ("lora", "adapter-merge", "gguf")]
    assert repair(situation, parts) is None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(IDS), st.integers(1, 5))
def test_cost_falls_and_repairing_ends(situation: Situation, order: list[str], count: int) -> None:
    """Every repair strictly lowers the cost, so that repairing again and again comes to an end."""
    ids, knowledge = tuple(order[:count]), situation.knowledge
    for _ in range(20):
        parts = [part_of(knowledge.technique(i)) for i in ids]
        found = repair(situation, parts)
        if found is None:
            return
        better = [part_of(knowledge.technique(i)) for i in found.stack]
        assert total_cost(situation, better) < total_cost(situation, parts)
        assert found.text
        ids = found.stack
    raise AssertionError(f"still repairing: {ids}")


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        (("a", "b"), ("a", "c", "b"), "adds c as step 2"),
        (("a", "b"), ("b",), "drops a"),
        (("a", "b"), ("a", "c"), "adds c as step 2 and drops b"),
        (("a", "b"), ("b", "a"), "moves b to step 1"),
        (("a", "m", "b", "m"), ("a", "m", "b"), "drops m"),
        (("a", "m", "b"), ("a", "m", "b", "m"), "adds m as step 4"),
        (("a",), ("a",), ""),
    ],
)
def test_difference(before: tuple[str, ...], now: tuple[str, ...], words: str) -> None:
    """A change is named by what came, what went, or what moved."""
    assert difference(before, now) == words
