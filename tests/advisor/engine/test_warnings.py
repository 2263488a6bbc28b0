"""Tests of warnings on stacks in a given order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from advisor.domain.facts import Facts
from advisor.domain.knowledge import Knowledge
from advisor.domain.words import Family
from advisor.engine.parts import part_of
from advisor.engine.stack import Situation
from advisor.engine.warnings import pair_warnings, warn

Build = Callable[[Mapping[str, Any]], Facts]
FAULTS = [
    (("awq", "structured-pruning"), "quantize", "prune"),
    (("full-sft", "response-distillation"), "finetune", "distill"),
    (("lora", "structured-pruning"), "finetune", "prune"),
    (("wanda", "full-sft"), "prune", "finetune"),
    (("wanda", "lora", "adapter-merge"), "prune", "merge"),
]


@pytest.fixture
def situation(knowledge: Knowledge, facts_of: Build) -> Situation:
    return Situation(knowledge, facts_of({"goal": "optimize", "model": {"params_b": 7}}))


@pytest.mark.parametrize(("ids", "first", "then"), FAULTS)
def test_known_faults_are_warned_about(ids: tuple[str, ...], first: str, then: str, situation: Situation) -> None:
    """Each anti-pattern names its families, its fix and its sources."""
    order = [part_of(situation.knowledge.technique(technique_id)) for technique_id in ids]
    found = [w for w in pair_warnings(order, situation.judge) if (w.first, w.then) == (first, then)]
    assert found and found[0].fix and found[0].sources


def test_merge_between_resolves_the_contradiction(situation: Situation) -> None:
    """Fine-tune then prune is judged as neighbours: a merge between them is what the golden order relies on."""
    order = [part_of(situation.knowledge.technique(t)) for t in ("full-sft", "ties-merge", "structured-pruning")]
    assert not [w for w in pair_warnings(order, situation.judge) if (w.first, w.then) == ("finetune", "prune")]


def test_other_profile_is_heard(knowledge: Knowledge, facts_of: Build) -> None:
    """Where the matrix of the source judges a pair otherwise, the difference is told with its fix."""
    situation = Situation(knowledge, facts_of({"goal": "optimize"}))
    order = [part_of(knowledge.technique(t)) for t in ("structured-pruning", "lora")]
    found = warn(situation, order, (), frozenset({Family.PRUNE}))
    told = [w for w in found if w.code.startswith("profile-source-matrix")]
    assert told and told[0].severity == "info" and told[0].fix


def test_gravest_first(situation: Situation) -> None:
    """Danger stands before warnings, warnings before notes."""
    order = [part_of(situation.knowledge.technique(t)) for t in ("awq", "response-distillation", "structured-pruning")]
    ranks = [("danger", "warning", "info").index(w.severity) for w in warn(situation, order, (), frozenset())]
    assert ranks == sorted(ranks) and ranks[0] == 0
