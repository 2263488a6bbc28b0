"""Tests of the whole advice: shape, determinism, speed, alternatives, flips, warnings."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from advisor.domain.facts import Facts
from advisor.domain.knowledge import Knowledge
from advisor.domain.recommendation import Recommendation
from advisor.engine.recommend import recommend

QLORA: dict[str, Any] = {
    "goal": "change-behavior",
    "also": ["optimize"],
    "behavior": "task",
    "optimize_for": "memory-latency",
    "model": {"params_b": 14, "kind": "instruct"},
    "data": {"kind": "instructions", "examples": 8000, "seq_len": 1024},
    "serve": {"target": "gpu", "bits": 4, "batch": 1},
    "hardware": {"gpus": [{"name": "RTX 4090", "memory_gib": 24}], "ram_gib": 64},
}
TOO_LARGE = {**QLORA, "model": {"params_b": 70}, "also": []}


def test_report_has_the_contract_keys(advise: Callable[..., Recommendation]) -> None:
    """Dumped by alias, the recommendation is the report that scripts read."""
    report = json.loads(advise(QLORA, with_flips=True).model_dump_json(by_alias=True))
    keys = {
        "schema",
        "feasible",
        "stack",
        "supports",
        "warnings",
        "alternatives",
        "rejected",
        "flips",
        "facts",
        "defaults",
    }
    assert keys | {"chain"} <= set(report)
    assert {"technique", "family", "acts_on", "executable", "because", "estimate"} <= set(report["stack"][0])
    assert {"gpu_gib", "ram_gib", "disk_gib", "seconds", "quality"} <= set(report["stack"][0]["estimate"])
    assert {"fact", "from", "to", "stack"} == set(report["flips"][0])
    assert {"peak_gpu_gib", "peak_ram_gib", "peak_disk_gib", "seconds"} <= set(report["chain"])


def test_same_facts_same_bytes(knowledge: Knowledge, facts_of: Callable[[Mapping[str, Any]], Facts]) -> None:
    """The engine is a function: asked twice, it answers with the same bytes."""
    first, second = (recommend(knowledge, facts_of(QLORA)).model_dump_json(by_alias=True) for _ in range(2))
    assert first == second


def test_advice_with_flips_is_quick(knowledge: Knowledge, facts_of: Callable[[Mapping[str, Any]], Facts]) -> None:
    """The whole advice, flips included, takes under 50 ms of one core."""
    facts, best = facts_of(QLORA), 1.0
    for _ in range(8):
        start = time.process_time()
        recommend(knowledge, facts)
        best = min(best, time.process_time() - start)
    assert best < 0.050, f"{best * 1000:.0f} ms"


def test_every_step_has_reasons_with_sources(advise: Callable[..., Recommendation]) -> None:
    """Nothing stands in a stack without a reason and its source."""
    for entry in advise(QLORA).stack:
        assert entry.because
        assert all(reason.text and reason.source for reason in entry.because)


def test_sources_of_rules_are_declared(knowledge: Knowledge) -> None:
    """Each rule's source is one of the declared ones."""
    declared = {source.id for source in knowledge.sources}
    assert not {rule.id for rule in knowledge.rules if rule.source.split(" ")[0] not in declared}


def test_rules_name_techniques_that_exist(knowledge: Knowledge) -> None:
    """A rule about an unknown technique would never fire, and nobody would notice."""
    named = {t for rule in knowledge.rules for t in (*rule.techniques, *rule.beside)}
    assert not named - set(knowledge.by_id)


def test_alternatives_say_why_they_are_second(advise: Callable[..., Recommendation]) -> None:
    """Each runner-up is a whole stack of its own with what speaks against it."""
    result = advise(QLORA)
    chosen = tuple(entry.technique for entry in result.stack)
    assert result.alternatives
    assert all(a.stack != chosen and a.why_not_first for a in result.alternatives)


def test_flip_holds_when_tried(knowledge: Knowledge, facts_of: Callable[[Mapping[str, Any]], Facts]) -> None:
    """A flip is no prose: with the fact changed in the answers, the engine gives that very stack."""
    flips = recommend(knowledge, facts_of(QLORA)).flips
    more = next(f for f in flips if f.fact == "hardware.gpus[0].memory_gib" and f.to == 48.0)
    hardware = {"gpus": [{"name": "RTX 4090", "memory_gib": 48}], "ram_gib": 64}
    result = recommend(knowledge, facts_of({**QLORA, "hardware": hardware}), with_flips=False)
    assert tuple(entry.technique for entry in result.stack) == more.stack
    assert len(flips) <= 6


def test_infeasible_says_what_would_help(advise: Callable[..., Recommendation]) -> None:
    """Nothing feasible: no stack, each refusal with its reason, and changes that would make it feasible."""
    result = advise(TOO_LARGE, with_flips=True)
    assert (result.feasible, result.stack) == (False, ())
    assert {"lora", "qlora", "full-sft"} <= {r.technique for r in result.rejected}
    assert result.flips and all(flip.stack for flip in result.flips)


def test_what_is_avoided_stays_out(advise: Callable[..., Recommendation]) -> None:
    """A technique the person ruled out is refused by name, and the next best taken."""
    result = advise({**QLORA, "avoid": ["awq"]})
    assert "awq" not in [entry.technique for entry in result.stack]
    assert {r.technique: r.because for r in result.rejected}["awq"] == "ruled out by you"


def test_second_goal_may_fail_alone(advise: Callable[..., Recommendation]) -> None:
    """When only the further goal is out of reach, the first is still advised on, with a warning of danger."""
    serve = {"target": "gpu", "memory_gib": 4, "batch": 1}
    result = advise({**QLORA, "serve": serve})
    assert [entry.technique for entry in result.stack] == ["qlora"]
    assert any(w.code == "nothing-to-quantize" and w.severity == "danger" for w in result.warnings)


@pytest.mark.parametrize("profile", ["default", "source-matrix"])
def test_profiles_give_stacks(profile: str, advise: Callable[..., Recommendation]) -> None:
    """Under either profile of interactions the steps are the same; their order may differ."""
    values = {**QLORA, "optimize_for": "maximum", "hardware": {"gpus": [{"name": "H100", "memory_gib": 80}]}}
    result = advise({**values, "model": {"params_b": 3}}, profile)
    families = [entry.family.value for entry in result.stack]
    assert families.index("prune" if profile == "default" else "distill") == 0
    assert families[-1] == "quantize"


def test_lossy_steps_compound(advise: Callable[..., Recommendation]) -> None:
    """Several compressing steps in one stack are warned about together."""
    values = {**QLORA, "optimize_for": "maximum", "model": {"params_b": 1.5}}
    assert any(w.code == "compounding-error" for w in advise(values).warnings)


def test_no_bad_order_for_want_of_a_merge(advise: Callable[..., Recommendation]) -> None:
    """Where an adapter cannot be merged, what needs one model is refused with that reason; it is not put first."""
    values = {
        "goal": "change-behavior",
        "also": ["optimize"],
        "behavior": "task",
        "optimize_for": "memory-latency",
        "model": {"params_b": 14},
        "data": {"kind": "instructions", "examples": 5000},
        "serve": {"target": "gpu", "bits": 4},
        "avoid": ["adapter-merge"],
        "hardware": {"gpus": [{"name": "RTX 4090", "memory_gib": 24}], "ram_gib": 64, "disk_gib": 500},
    }
    result = advise(values)
    assert [entry.technique for entry in result.stack] == ["qlora"]
    assert any("adapter-merge" in refused.because for refused in result.rejected if refused.technique == "awq")


@pytest.mark.parametrize("params_b", [0.016, 0.008, 0.0001, 1e-12])
def test_a_tiny_model_is_infeasible_like_a_large_one(params_b: float, advise: Callable[..., Recommendation]) -> None:
    """Models of some million parameters and less get refusals and flips, and no smaller model has no parameters."""
    model = {"id": "some/TinyStories", "params_b": params_b, "kind": "base"}
    result = advise({**QLORA, "model": model, "use": ["lora"], "avoid": ["lora"]}, with_flips=True)
    assert not result.feasible and result.rejected
    assert all(flip.to > 0 for flip in result.flips if flip.fact == "model.params_b")
