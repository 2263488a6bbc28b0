"""Tests of the order: exact, hard constraints kept, ties settled, conflicts named, quick."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from itertools import pairwise, permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.domain.facts import Facts
from advisor.domain.interaction import Interaction, Profile
from advisor.domain.knowledge import Knowledge
from advisor.domain.words import ActsOn, ArtifactKind, Family, Reach, Verdict
from advisor.engine.interactions import IMPOSSIBLE, Judge
from advisor.engine.order import cost_of_order, explain, first_break, solve
from advisor.engine.parts import ModelState, Part, part_of
from advisor.knowledge import load_knowledge

FACTS = Facts(goal="optimize")
START = ModelState()
KNOWLEDGE = load_knowledge()
JUDGE = Judge(KNOWLEDGE.profile("default"), FACTS)
IDS = (
    "structured-pruning",
    "wanda",
    "response-distillation",
    "lora",
    "dpo",
    "adapter-merge",
    "ties-merge",
    "awq",
    "qat",
)


def parts(*ids: str) -> list[Part]:
    return [part_of(KNOWLEDGE.technique(technique_id)) for technique_id in ids]


def by_force(wanted: list[Part], judge: Judge) -> int | None:
    """The least cost over all permutations whose chain holds; None when there is none."""
    costs = [cost_of_order(order, judge) for order in permutations(wanted) if first_break(order, START) is None]
    possible = [cost for cost in costs if cost < IMPOSSIBLE // 2]
    return min(possible, default=None)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(IDS), min_size=1, max_size=6, unique=True))
def test_order_is_the_cheapest_of_all(ids: list[str]) -> None:
    """No permutation is cheaper than the order found, and where there is none, none exists."""
    wanted = parts(*ids)
    found = solve(wanted, JUDGE, START)
    least = by_force(wanted, JUDGE)
    assert found.is_possible == (least is not None)
    if least is not None:
        assert found.cost == least == cost_of_order(found.parts, JUDGE)
        assert first_break(found.parts, START) is None


@settings(max_examples=30, deadline=None)
@given(st.permutations(["structured-pruning", "response-distillation", "lora", "adapter-merge", "awq"]))
def test_order_does_not_depend_on_the_order_given(ids: list[str]) -> None:
    """However the steps are listed, they come out the same."""
    found = [part.technique for part in solve(parts(*ids), JUDGE, START).parts]
    assert found == ["structured-pruning", "response-distillation", "lora", "adapter-merge", "awq"]


def test_source_matrix_gives_its_golden_order() -> None:
    """Under the matrix as its source gives it, the golden order comes out."""
    judge = Judge(KNOWLEDGE.profile("source-matrix"), FACTS)
    wanted = parts("awq", "structured-pruning", "ties-merge", "full-sft", "response-distillation")
    families = [part.family.value for part in solve(wanted, judge, START).parts]
    assert families == ["distill", "finetune", "merge", "prune", "quantize"]


def free(family: Family, name: str) -> Part:
    """A step that can start from anything."""
    return Part(name, family, ActsOn.BASE, (ArtifactKind.CAUSAL_LM,), ArtifactKind.CAUSAL_LM)


def test_eight_unconstrained_steps_in_ten_milliseconds() -> None:
    """The worst case, where every one of the 40320 orders is possible, takes under 10 ms."""
    families = [f for f in Family if f not in (Family.PROMPT, Family.RETRIEVE, Family.DATA, Family.EFFICIENCY)][:8]
    judge = Judge(Profile(id="empty", interactions=(), golden_order=tuple(reversed(families))), FACTS)
    wanted = [free(family, f"step-{family.value}") for family in families]
    best = 1.0
    for _ in range(7):
        start = time.process_time()
        found = solve(wanted, judge, START)
        best = min(best, time.process_time() - start)
    assert [part.family for part in found.parts] == list(reversed(families))
    assert best < 0.010, f"{best * 1000:.1f} ms"


def test_conflict_names_the_smallest_core() -> None:
    """When two steps rule each other out, the two are named, and nobody else."""
    never = [
        Interaction(
            id=f"{a.value}-{b.value}", first=a, then=b, verdict=Verdict.IMPOSSIBLE, reach=Reach.ANY, because="No."
        )
        for a, b in ((Family.PRUNE, Family.EDIT), (Family.EDIT, Family.PRUNE))
    ]
    judge = Judge(Profile(id="p", interactions=tuple(never), golden_order=()), FACTS)
    wanted = [free(Family.PRUNE, "cut"), free(Family.DISTILL, "teach"), free(Family.EDIT, "edit")]
    found = solve(wanted, judge, START)
    assert not found.is_possible
    assert found.core == ("cut", "edit")
    assert "No." in found.why


def test_merge_without_an_adapter_is_impossible() -> None:
    """A step whose input nobody leaves has no place in any order."""
    found = solve(parts("adapter-merge", "awq"), JUDGE, START)
    assert found.core == ("adapter-merge",)
    assert "adapter" in found.why


def test_nothing_that_needs_weights_follows_quantization() -> None:
    """Post-training quantization comes last among the steps that change the model."""
    order = solve(parts("awq", "wanda", "full-sft"), JUDGE, START).parts
    assert order[-1].technique == "awq"


def test_tuning_the_teacher_is_not_tuning_the_student() -> None:
    """Fine-tuning before distilling is bad for the student and recommended for the teacher."""
    distill = part_of(KNOWLEDGE.technique("response-distillation"))
    student = part_of(KNOWLEDGE.technique("full-sft"))
    teacher = part_of(KNOWLEDGE.technique("full-sft"), acts_on=ActsOn.TEACHER)
    assert JUDGE.cost(student, distill, True) > 0 > JUDGE.cost(teacher, distill, True)
    assert solve([distill, teacher], JUDGE, START).parts == (teacher, distill)
    assert solve([distill, student], JUDGE, START).parts == (distill, student)


def test_every_neighbour_is_explained() -> None:
    """Each step of an order stands where it does for a reason that is told."""
    order = solve(
        parts("structured-pruning", "response-distillation", "lora", "adapter-merge", "gguf"), JUDGE, START
    ).parts
    told = {(reason.first, reason.then) for reason in explain(order, JUDGE)}
    assert {(a.technique, b.technique) for a, b in pairwise(order)} <= told
    assert all(reason.because for reason in explain(order, JUDGE))


@pytest.mark.parametrize("profile", ["default", "source-matrix"])
def test_verdicts_follow_reach(
    profile: str, knowledge: Knowledge, facts_of: Callable[[Mapping[str, Any]], Facts]
) -> None:
    """A verdict about neighbours says nothing of steps that stand apart."""
    judge = Judge(knowledge.profile(profile), facts_of({"goal": "optimize"}))
    lora, prune = parts("lora", "structured-pruning")
    assert judge.cost(lora, prune, True) > 0
    assert judge.cost(lora, prune, False) == 0
