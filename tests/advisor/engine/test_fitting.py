"""Would a technique fit here?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from advisor.domain.facts import Facts
from advisor.domain.knowledge import Knowledge
from advisor.engine.fitting import FitVerdict, would_fit
from advisor.engine.recommend import recommend

FactsOf = Callable[[Mapping[str, Any]], Facts]
SAID = {
    "goal": "change-behavior",
    "behavior": "task",
    "model": {"params_b": 8},
    "data": {"kind": "instructions", "examples": 5000},
    "serve": {"target": "gpu"},
    "hardware": {"gpus": "RTX 4090:24"},
}


@pytest.mark.parametrize(
    ("technique", "verdict", "said"),
    [
        ("qlora", FitVerdict.FITS, ""),
        ("full-sft", FitVerdict.NO, "24.0 are free"),
        ("dpo", FitVerdict.NO, "pairs"),
        ("fsdp", FitVerdict.NO, "two GPUs"),
        ("few-shot", FitVerdict.FITS, ""),
    ],
)
def test_verdicts(knowledge: Knowledge, facts_of: FactsOf, technique: str, verdict: FitVerdict, said: str) -> None:
    """Memory, data and machine decide, and every refusal says by what."""
    found = would_fit(knowledge, facts_of(SAID), technique)
    assert found.verdict is verdict
    assert said in " ".join(reason.text for reason in found.refusals)
    assert bool(found.refusals) == (verdict is FitVerdict.NO)


def test_what_was_not_said_is_open(knowledge: Knowledge, facts_of: FactsOf) -> None:
    """Preference tuning is left open while nobody said what the data is, and refused once it is something else."""
    unsaid = {key: value for key, value in SAID.items() if key != "data"}
    found = would_fit(knowledge, facts_of(unsaid), "dpo")
    assert found.verdict is FitVerdict.OPEN
    assert [r.because for r in found.open]
    assert found.candidate.estimate.gpu_gib is not None


def test_rules_are_left_out_when_the_goal_is_unknown(knowledge: Knowledge, facts_of: FactsOf) -> None:
    """Without rules nothing speaks for or against; the verdict of the machine stays."""
    facts = facts_of(SAID)
    with_rules, without = would_fit(knowledge, facts, "qlora"), would_fit(knowledge, facts, "qlora", with_rules=False)
    assert with_rules.speaks_for and not without.speaks_for and not without.speaks_against
    assert with_rules.verdict is without.verdict


@pytest.mark.parametrize("gib", [12, 24, 80])
def test_agrees_with_the_recommendation(knowledge: Knowledge, facts_of: FactsOf, gib: int) -> None:
    """Whatever is recommended fits, and whatever is rejected for its memory does not."""
    facts = facts_of({**SAID, "hardware": {"gpus": f"GPU:{gib}"}})
    advice = recommend(knowledge, facts, with_flips=False)
    for entry in advice.stack:
        assert would_fit(knowledge, facts, entry.technique).verdict in (FitVerdict.FITS, FitVerdict.TIGHT)
    for rejection in advice.rejected:
        if rejection.technique in knowledge.by_id and "GiB" in rejection.because:
            assert would_fit(knowledge, facts, rejection.technique).verdict is FitVerdict.NO


def test_unknown(knowledge: Knowledge, facts_of: FactsOf) -> None:
    """An unknown id is a KeyError."""
    with pytest.raises(KeyError):
        would_fit(knowledge, facts_of(SAID), "no-such-technique")
