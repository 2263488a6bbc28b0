"""Tests of the ladder: what is tried before a misfit is declared, and what is called tight."""

from __future__ import annotations

from typing import Any

import pytest

from advisor.domain.facts import Default, Facts
from advisor.domain.knowledge import Knowledge
from advisor.domain.recommendation import Rejection
from advisor.engine.eligibility import Examiner
from advisor.engine.estimate.shapes import shape_from_params
from advisor.engine.memory import Ladder, rungs


def facts(params_b: float, gib: float, **more: Any) -> Facts:
    values = {"gpu_count": 1, "ram_gib": 128.0, "data_seq_len": 1024, **more}
    return Facts(
        goal="x", has_gpu=True, gpu_gib=gib, model_params_b=params_b, model_shape=shape_from_params(params_b), **values
    )


def test_roomy_needs_no_measures() -> None:
    """Where memory is plenty, nothing is recomputed and nothing shared."""
    fit = Ladder().fit("lora", facts(1, 80))
    assert fit.fits and not fit.is_tight and not fit.measures


def test_checkpointing_before_a_misfit() -> None:
    """What does not fit plainly fits with recomputation, and the report says what it bought."""
    fit = Ladder().fit("lora", facts(8, 24))
    assert fit.fits and fit.rung.gradient_checkpointing
    assert [m.technique for m in fit.measures] == ["gradient-checkpointing"]
    assert "GiB" in fit.measures[0].text


def test_sharding_before_a_misfit() -> None:
    """A 70B model in 4 bits trains on two cards of 24 GiB, not on one."""
    alone, both = Ladder().fit("qlora", facts(70, 24)), Ladder().fit("qlora", facts(70, 24, gpu_count=2))
    assert not alone.fits and "24.0 are free" in alone.why_not()
    assert both.fits and both.rung.gpus == 2 and "fsdp" in [m.technique for m in both.measures]


def test_offload_needs_ram() -> None:
    """Weights are parked in RAM only where they have room."""
    assert not Ladder().fit("qlora", facts(70, 24, gpu_count=2, ram_gib=16.0)).fits


def test_given_batch_is_kept() -> None:
    """A micro-batch that was given is not silently changed while it fits with recomputation."""
    assert Ladder().fit("lora", facts(1.1, 24, train_micro_batch=8)).rung.micro_batch == 8


def test_tight_is_told() -> None:
    """A fit that takes most of the memory at the leanest is tight; the same model in 4 bits is not."""
    assert Ladder().fit("lora", facts(9, 24)).is_tight
    assert not Ladder().fit("qlora", facts(9, 24)).is_tight


def test_length_shrinks_only_when_nobody_said() -> None:
    """Shorter examples are tried last, and only where the length was a default."""
    assert all(rung.seq_len == 1024 for rung in rungs("qlora", facts(8, 24)))
    assumed = facts(8, 24, defaults=(Default(key="data.seq_len", value="1024", because=""),))
    assert min(rung.seq_len for rung in rungs("qlora", assumed)) == 512


def test_cpu_trains_in_ram() -> None:
    """Without a GPU the RAM decides."""
    cpu = Facts(goal="x", ram_gib=12.0, model_shape=shape_from_params(0.135), data_seq_len=256)
    assert Ladder().fit("lora", cpu).fits
    assert not Ladder().fit("lora", cpu.model_copy(update={"model_shape": shape_from_params(30)})).fits


def test_what_fits_on_a_cpu_is_what_the_report_shows() -> None:
    """Without a GPU the deciding memory is the RAM of the step's estimate, corrected by earlier runs or not."""
    from advisor.domain.measurement import Correction
    from advisor.engine.carriers import is_training
    from advisor.engine.estimate.step import estimate_step
    from advisor.engine.schedule import schedule
    from advisor.knowledge import load_knowledge

    plain = Facts(goal="x", ram_gib=12.0, model_params_b=1.1, model_shape=shape_from_params(1.1), data_seq_len=256)
    taught = (Correction(scope="lora", quantity="ram_gib", ratio=0.8, runs=3),)
    techniques = [load_knowledge().technique(name) for name in ("lora", "qlora", "dora", "full-sft", "ia3")]
    assert all(is_training(technique) for technique in techniques)
    for corrections in ((), taught):
        known = plain.model_copy(update={"corrections": corrections})
        for technique in techniques:
            fit = Ladder().fit(technique.estimate_method or "", known)
            config = {**technique.config, **fit.rung.config()}
            shown = estimate_step(technique, known, {**config, **schedule(config, technique, known)}).ram_gib
            assert shown is not None and fit.peak_gib == shown.expected, technique.id


@pytest.mark.parametrize(
    ("size", "gpu"), [(1.1, 24), (3, 80), (7, 80), (8, 24), (13, 48)], ids=lambda value: str(value)
)
@pytest.mark.parametrize("technique", ["full-sft", "lora", "qlora", "dora"])
def test_what_fits_on_a_gpu_is_what_the_report_shows(
    size: float, gpu: float, technique: str, knowledge: Knowledge
) -> None:
    """The memory by which a configuration is taken is that of the step as it is then planned, accumulation included."""
    found = Examiner().examine(knowledge.technique(technique), facts(size, gpu))
    if isinstance(found, Rejection):
        assert "GiB" in found.because
        return
    assert found.fit is not None and found.estimate.gpu_gib is not None
    assert found.estimate.gpu_gib.expected == pytest.approx(found.fit.peak_gib, rel=0.01)
    assert found.estimate.gpu_gib.expected <= gpu
