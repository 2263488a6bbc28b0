"""A technique put into a stack with a person's settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from advisor.domain.errors import AdvisorError
from advisor.domain.facts import Facts
from advisor.domain.knowledge import Knowledge
from advisor.engine.eligibility import Candidate, Examiner
from advisor.engine.evaluate import Placement, evaluate_steps
from advisor.engine.placed import place
from advisor.engine.stack import Situation

FactsOf = Callable[[Mapping[str, Any]], Facts]
ANSWERS = {
    "goal": "change-behavior",
    "model": {"params_b": 8},
    "data": {"kind": "instructions", "examples": 5000},
    "hardware": {"gpus": "RTX 4090:24"},
}


@pytest.fixture
def facts(facts_of: FactsOf) -> Facts:
    return facts_of(ANSWERS)


def test_no_settings_change_nothing(knowledge: Knowledge, facts: Facts) -> None:
    """Without settings a step is exactly the candidate that the engine itself would take."""
    technique = knowledge.technique("qlora")
    candidate, rejection = place(Examiner(), technique, facts, {})
    assert rejection is None
    assert candidate == Examiner().examine(technique, facts)


def test_settings_move_the_estimate(knowledge: Knowledge, facts: Facts) -> None:
    """A longer sequence takes more memory, two epochs twice the time, and the settings stand in the step."""
    technique, examiner = knowledge.technique("qlora"), Examiner()
    plain, _ = place(examiner, technique, facts, {"seq_len": 512})
    longer, _ = place(examiner, technique, facts, {"seq_len": 2048})
    twice, _ = place(examiner, technique, facts, {"seq_len": 512, "epochs": 2.0})
    assert plain.estimate.gpu_gib and longer.estimate.gpu_gib and plain.estimate.seconds and twice.estimate.seconds
    assert longer.estimate.gpu_gib.expected > plain.estimate.gpu_gib.expected
    assert twice.estimate.seconds.expected == pytest.approx(2 * plain.estimate.seconds.expected, rel=0.1)
    assert longer.config["seq_len"] == 2048


def test_settings_that_do_not_fit(knowledge: Knowledge, facts: Facts) -> None:
    """Settings that need more than is free are refused with both numbers, and the estimate is kept."""
    candidate, rejection = place(Examiner(), knowledge.technique("lora"), facts, {"micro_batch": 64, "seq_len": 4096})
    assert rejection is not None
    assert candidate.estimate.gpu_gib is not None
    assert f"{candidate.estimate.gpu_gib.expected:.1f} GiB" in rejection.because
    assert "24.0 are free" in rejection.because


def test_a_refused_step_keeps_its_numbers(knowledge: Knowledge, facts: Facts) -> None:
    """What does not fit is shown with what it would take, within a fifth of the number in the refusal."""
    candidate, rejection = place(Examiner(), knowledge.technique("full-sft"), facts, {})
    assert rejection is not None
    assert candidate.estimate.gpu_gib is not None
    said = float(rejection.because.split("needs ")[1].split(" ")[0])
    assert candidate.estimate.gpu_gib.expected == pytest.approx(said, rel=0.2)


def test_a_requirement_cannot_be_set_away(knowledge: Knowledge, facts: Facts) -> None:
    """Settings make room in memory; they do not bring the data that a technique learns from."""
    _, rejection = place(Examiner(), knowledge.technique("kto"), facts, {"micro_batch": 1})
    assert rejection is not None
    assert "marked good or bad" in rejection.because


def test_ram_limits_without_a_gpu(knowledge: Knowledge, facts_of: FactsOf) -> None:
    """Without a GPU the free RAM decides, with its share for the system taken off."""
    facts = facts_of({**ANSWERS, "model": {"params_b": 0.5}, "hardware": {"gpus": "none", "ram_gib": 8}})
    _, fitting = place(Examiner(), knowledge.technique("lora"), facts, {"micro_batch": 1, "seq_len": 128})
    _, refused = place(Examiner(), knowledge.technique("lora"), facts, {"micro_batch": 512, "seq_len": 2048})
    assert fitting is None
    assert refused is not None and "6.8 are free" in refused.because


def test_an_unknown_target(knowledge: Knowledge, facts: Facts) -> None:
    """A target that names no layer cannot be estimated, and is said to be wrong."""
    with pytest.raises(AdvisorError, match="no-such-layer"):
        place(Examiner(), knowledge.technique("lora"), facts, {"targets": "no-such-layer"})


def test_settings_reach_the_stack(knowledge: Knowledge, facts: Facts) -> None:
    """A stack with a step that does not fit by its settings cannot be run and says why first."""
    situation = Situation(knowledge, facts)
    fine = evaluate_steps(situation, [Placement("qlora")])
    wide = evaluate_steps(situation, [Placement("qlora", {"micro_batch": 128, "seq_len": 4096})])
    assert fine.feasible and not wide.feasible
    assert wide.warnings[0].code == "not-possible-here"
    assert wide.stack[0].config["micro_batch"] == 128
    assert isinstance(situation.examiner.examine(knowledge.technique("qlora"), facts), Candidate)


def test_an_impossible_pair_cannot_be_run(knowledge: Knowledge, facts: Facts) -> None:
    """A pair that the matrix calls impossible makes a stack infeasible, though each step fits."""
    result = evaluate_steps(Situation(knowledge, facts), [Placement("gguf"), Placement("qlora")])
    assert not result.feasible
    assert any(w.severity == "danger" for w in result.warnings)
