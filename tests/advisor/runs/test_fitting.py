"""Facts of one model, where there are no answers."""

from __future__ import annotations

import pytest

from advisor.domain.errors import AdvisorError
from advisor.domain.profiles import GpuProfile, HardwareProfile
from advisor.knowledge import load_knowledge
from advisor.runs.fitting import facts_for_model

HARDWARE = HardwareProfile(gpus=(GpuProfile(uuid="0", name="RTX 4090", total_gib=24, free_gib=22),), ram_free_gib=30)


@pytest.mark.parametrize(
    ("text", "params_b"),
    [("8", 8.0), ("0.5", 0.5), ("8B", 8.0), ("135m", 0.135), (" 70 b ", 70.0), ("Qwen/Qwen2.5-7B-Instruct", 7.6)],
)
def test_sizes_and_names(text: str, params_b: float) -> None:
    """A size with or without unit, or a hub id, gives the parameters, on the memory that is free here."""
    facts = facts_for_model(load_knowledge(), HARDWARE, text)
    assert facts.model_params_b == pytest.approx(params_b, rel=0.02)
    assert facts.gpu_gib == 22


@pytest.mark.parametrize("text", ["", "0", "0b", "  "])
def test_no_size(text: str) -> None:
    """Nothing, and a model of no parameters, are refused with what may be typed."""
    with pytest.raises(AdvisorError, match="no size of a model"):
        facts_for_model(load_knowledge(), HARDWARE, text)


def test_a_folder_that_is_not_there() -> None:
    """A path that leads nowhere is told as such."""
    with pytest.raises(AdvisorError):
        facts_for_model(load_knowledge(), HARDWARE, "/no/such/folder")
