"""advisor/engine/estimate/corrections.py: what earlier runs change about an estimate."""

from __future__ import annotations

import pytest

from advisor.domain.estimate import Range
from advisor.domain.facts import Facts
from advisor.domain.measurement import Correction
from advisor.engine.estimate.corrections import corrected
from advisor.engine.estimate.step import estimate_step
from advisor.knowledge import load_knowledge

CPU = Facts(goal="x", model_params_b=0.135, cpu_cores=2, ram_gib=16.0, data_examples=5000, data_seq_len=256)
PLAIN = Range(low=60.0, expected=100.0, high=180.0)


def teach(*found: Correction) -> Facts:
    return CPU.model_copy(update={"corrections": found})


def test_the_range_moves_and_narrows() -> None:
    """Expected is multiplied; the range is in order and narrower the more runs there were, never down to nothing."""
    widths = []
    for runs in (1, 3, 8, 1000):
        found = corrected(PLAIN, Correction(scope="lora", quantity="seconds", ratio=0.5, runs=runs))
        assert found.expected == pytest.approx(50.0)
        assert found.low < found.expected < found.high
        widths.append((found.high - found.low) / found.expected)
    assert widths[0] < 1.2 and widths == sorted(widths, reverse=True) and widths[-1] > 0.3
    assert corrected(PLAIN, None) == PLAIN


def test_an_estimate_says_what_corrected_it() -> None:
    """Time and memory follow their ratios, the note says by how many runs, and the factor is kept."""
    lora = load_knowledge().technique("lora")
    before = estimate_step(lora, CPU, {})
    time = Correction(scope="lora", quantity="seconds", ratio=0.82, runs=3)
    memory = Correction(scope="lora", quantity="ram_gib", ratio=1.2, runs=2)
    after = estimate_step(lora, teach(time, memory), {})
    assert before.seconds and before.ram_gib and after.seconds and after.ram_gib and after.basis
    assert after.seconds.expected == pytest.approx(0.82 * before.seconds.expected)
    assert after.ram_gib.expected == pytest.approx(1.2 * before.ram_gib.expected)
    assert after.notes == (
        "RAM corrected by 2 runs on this machine: x1.20",
        "time corrected by 3 runs on this machine: x0.82",
    )
    assert after.basis.factors == {"ram_gib": 1.2, "seconds": 0.82}
    assert before.notes == ()


def test_time_follows_the_family_and_memory_does_not() -> None:
    """A method that was never run takes its family's time; its own measurements win; memory is its own only."""
    knowledge = load_knowledge()
    family = tuple(Correction(scope="finetune", quantity=q, ratio=2.0, runs=5) for q in ("seconds", "ram_gib"))
    own = Correction(scope="lora", quantity="seconds", ratio=0.5, runs=1)
    for name, expected in (("dora", 2.0), ("lora", 0.5), ("wanda", 1.0)):
        technique = knowledge.technique(name)
        before, after = (estimate_step(technique, facts, {}) for facts in (CPU, teach(*family, own)))
        assert before.seconds and after.seconds
        assert after.seconds.expected == pytest.approx(expected * before.seconds.expected), name
        assert after.ram_gib == before.ram_gib
