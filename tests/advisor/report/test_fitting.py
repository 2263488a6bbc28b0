"""The answer to "would it fit here?" as text."""

from __future__ import annotations

import pytest

from advisor.domain.profiles import GpuProfile, HardwareProfile
from advisor.engine.fitting import would_fit
from advisor.knowledge import load_knowledge
from advisor.report.fitting import fitting_lines
from advisor.runs.fitting import facts_for_model

HARDWARE = HardwareProfile(gpus=(GpuProfile(uuid="0", name="RTX 4090", total_gib=24, free_gib=24),), ram_free_gib=30)


def text(technique_id: str, width: int = 80) -> str:
    knowledge = load_knowledge()
    facts = facts_for_model(knowledge, HARDWARE, "8")
    return "\n".join(fitting_lines(would_fit(knowledge, facts, technique_id, with_rules=False), facts, width))


@pytest.mark.parametrize(
    ("technique_id", "said"),
    [
        ("qlora", "YES, it fits"),
        ("full-sft", "NO"),
        ("dpo", "IT DEPENDS"),
    ],
)
def test_verdict_and_numbers(technique_id: str, said: str) -> None:
    """The verdict stands first in words, then model, machine, memory against what is free, and time."""
    shown = text(technique_id)
    assert said in shown.splitlines()[0]
    assert "8 B parameters; 1 x RTX 4090 with 24.0 GiB free" in shown
    assert "GiB of 24.0 free" in shown and "time: " in shown


def test_open_questions_are_named() -> None:
    """What was not said and decides is told."""
    assert "open: It learns from pairs" in text("dpo", 200)


@pytest.mark.parametrize("technique_id", sorted(t.id for t in load_knowledge().techniques))
def test_every_technique_has_an_answer(technique_id: str) -> None:
    """Whatever is asked, there is an answer in the width there is."""
    lines = text(technique_id, 44).splitlines()
    assert lines[0].startswith("Would it fit here?")
    assert [line for line in lines if len(line) > 44 and " " in line.strip()] == []
