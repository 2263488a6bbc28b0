"""Tests of what is possible: requirements, time, carriers, serving."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from advisor.domain.facts import Facts
from advisor.domain.knowledge import Knowledge
from advisor.domain.recommendation import Rejection
from advisor.engine import serving
from advisor.engine.carriers import carriers, method_of
from advisor.engine.eligibility import Candidate, Examiner, span
from advisor.engine.schedule import schedule

Build = Callable[[Mapping[str, Any]], Facts]
PAIRS: dict[str, Any] = {
    "goal": "change-behavior",
    "behavior": "alignment",
    "data": {"kind": "preferences", "examples": 5000, "seq_len": 1024},
}


def on(gib: float, **model: Any) -> dict[str, Any]:
    hardware = {"gpus": [{"name": "RTX 4090", "memory_gib": gib}], "ram_gib": 64}
    return {**PAIRS, "hardware": hardware, "model": {"kind": "instruct", **model}}


@pytest.mark.parametrize(("gib", "carrier"), [(80, "lora"), (16, "qlora")])
def test_objective_takes_the_carrier_that_fits(gib: float, carrier: str, knowledge: Knowledge, facts_of: Build) -> None:
    """DPO is trained through LoRA where that fits, over 4-bit weights where it does not."""
    found = Examiner().examine(knowledge.technique("dpo"), facts_of(on(gib, params_b=8)))
    assert isinstance(found, Candidate) and found.carrier == carrier


def test_quantized_base_is_carried_by_adapters(knowledge: Knowledge, facts_of: Build) -> None:
    """Weights that are quantized already are trained through an adapter or not at all."""
    facts = facts_of(on(24, params_b=8, quantized="nf4"))
    assert carriers(knowledge.technique("dpo"), facts) == ("qlora",)
    assert carriers(knowledge.technique("full-sft"), facts) == ()


def test_methods_of_the_estimator_exist(knowledge: Knowledge, facts_of: Build) -> None:
    """Whatever is trained through whatever, the estimator knows the combination."""
    from advisor.engine.carriers import is_training
    from advisor.engine.estimate.methods import method_of as traits

    facts = facts_of(on(24, params_b=8))
    for technique in knowledge.techniques:
        if is_training(technique):
            for carrier in (*carriers(technique, facts), "lora", "qlora"):
                assert traits(method_of(technique, carrier))


def test_training_that_takes_weeks_on_a_cpu_is_refused(knowledge: Knowledge, facts_of: Build) -> None:
    """Memory is not all: the refusal names the time and the limit."""
    data = {"kind": "instructions", "examples": 5000}
    values = {
        "goal": "change-behavior",
        "model": {"params_b": 8},
        "data": data,
        "hardware": {"gpus": [], "ram_gib": 128},
    }
    found = Examiner().examine(knowledge.technique("lora"), facts_of(values))
    assert isinstance(found, Rejection)
    assert "2 CPU cores" in found.because and "the limit is 3 days" in found.because


def test_long_training_uses_every_gpu(knowledge: Knowledge, facts_of: Build) -> None:
    """What would take longer than a night on one GPU is shared where that was asked for.

    Unasked it stays on one, where it can be executed, and is told what sharing would save.
    """
    hardware = {"gpus": [{"name": "H100", "memory_gib": 80, "count": 8}], "ram_gib": 1000}
    data = {"kind": "text", "tokens": 2_000_000_000}
    values = {"goal": "expand-knowledge", "model": {"params_b": 4}, "data": data, "hardware": hardware}
    alone = Examiner().examine(knowledge.technique("cpt"), facts_of(values))
    assert isinstance(alone, Candidate) and "gpus" not in alone.config
    assert "8 GPUs could share the work" in alone.measures[-1].text
    shared = Examiner().examine(knowledge.technique("cpt"), facts_of({**values, "use": ["fsdp"]}))
    assert isinstance(shared, Candidate) and shared.config["gpus"] == 8
    assert alone.estimate.seconds and shared.estimate.seconds
    assert shared.estimate.seconds.expected < alone.estimate.seconds.expected / 2


def test_failed_requirement_says_why_and_what_to_do(knowledge: Knowledge, facts_of: Build) -> None:
    """FP8 on Ampere: the reason, the hint and the source."""
    hardware = {"gpus": [{"name": "A100", "memory_gib": 80}]}
    values = {"goal": "optimize", "serve": {"target": "gpu"}, "hardware": hardware}
    found = Examiner().examine(knowledge.technique("fp8"), facts_of(values))
    assert isinstance(found, Rejection) and "8.9" in found.because and found.source


@pytest.mark.parametrize(
    ("params_b", "bits", "type_"),
    [(0.135, None, "Q8_0"), (7, None, "Q4_0"), (7, 8, "Q8_0"), (7, 2, "Q2_K")],
)
def test_gguf_type_follows_size_and_wish(params_b: float, bits: int | None, type_: str, facts_of: Build) -> None:
    """Small models get 8 bits, larger ones 4, and a wish wins."""
    serve = {"target": "cpu", **({"bits": bits} if bits else {})}
    values = {"goal": "optimize", "model": {"params_b": params_b}, "serve": serve}
    settings, why = serving.fit("gguf", facts_of({**values, "hardware": {"ram_gib": 64}}))
    assert (settings, why) == ({"type": type_}, "")
    assert serving.is_written_here(settings)
    assert not serving.is_written_here({"type": "IQ1_S"})


def test_served_model_must_fit(facts_of: Build) -> None:
    """Four bits of 70B do not fit 24 GiB, and both numbers are told."""
    hardware = {"gpus": [{"name": "RTX 4090", "memory_gib": 24}]}
    facts = facts_of({"goal": "optimize", "model": {"params_b": 70}, "serve": {"target": "gpu"}, "hardware": hardware})
    settings, why = serving.fit("awq", facts)
    assert not settings and "24.0 are there" in why


def test_token_budget_limits_the_steps(knowledge: Knowledge, facts_of: Build) -> None:
    """The steps times the batch times the length stay within the budget."""
    facts = facts_of({**on(24, params_b=0.5), "train": {"micro_batch": 2, "tokens_budget": 100_000}})
    settings = schedule({"micro_batch": 2, "seq_len": 512}, knowledge.technique("lora"), facts)
    assert settings["accumulation"] == 4
    assert settings["max_steps"] * 2 * 4 * 512 <= 100_000
    assert settings["learning_rate"] == 1e-3


def test_spans_read_well() -> None:
    """Durations come in the unit a person would use."""
    assert [span(s) for s in (30, 600, 3 * 3600, 5 * 86400)] == ["30 seconds", "10 minutes", "3 hours", "5 days"]


@pytest.mark.parametrize("quantized", [None, "nf4", "gptq", "mxfp4"])
@pytest.mark.parametrize("gib", [12.0, 24.0])
def test_what_fits_is_shown_as_fitting(
    gib: float, quantized: str | None, knowledge: Knowledge, facts_of: Build
) -> None:
    """The estimate of a training that was found to fit is of the same weights: quantized ones are counted as such."""
    facts = facts_of({**on(gib, params_b=7, quantized=quantized), "data": {"kind": "instructions", "examples": 4000}})
    for technique in ("lora", "qlora", "ia3", "p-tuning-v2"):
        found = Examiner().examine(knowledge.technique(technique), facts)
        if isinstance(found, Candidate):
            assert found.estimate.gpu_gib is not None and found.estimate.gpu_gib.expected <= gib


def test_parked_weights_leave_the_gpu(knowledge: Knowledge, facts_of: Build) -> None:
    """Two GPUs of 24 GiB hold a 70B model in 4 bits with its weights in RAM, and both figures say so."""
    hardware = {"gpus": [{"name": "RTX 4090", "memory_gib": 24, "count": 2}], "ram_gib": 128}
    facts = facts_of({**PAIRS, "hardware": hardware, "model": {"params_b": 70}})
    found = Examiner().examine(knowledge.technique("qlora"), facts)
    assert isinstance(found, Candidate) and found.config["offload"]
    assert found.estimate.gpu_gib is not None and found.estimate.gpu_gib.expected < 24
    assert found.estimate.ram_gib is not None and found.estimate.ram_gib.expected > 35


def test_compression_beyond_the_gpu_goes_block_by_block(knowledge: Knowledge, facts_of: Build) -> None:
    """A model that no GPU here holds is pruned with one block at a time on it, and the figure is of that."""
    facts = facts_of(on(24, params_b=32))
    found = Examiner().examine(knowledge.technique("wanda"), facts)
    assert isinstance(found, Candidate) and found.estimate.gpu_gib is not None
    assert 2 < found.estimate.gpu_gib.expected < 24


def test_compression_that_fits_nowhere_is_refused_with_both_numbers(knowledge: Knowledge, facts_of: Build) -> None:
    """Neither the GPU nor RAM holds it: the refusal names what each would need."""
    facts = facts_of(on(2, params_b=70)).model_copy(update={"ram_gib": 4.0})
    found = Examiner().examine(knowledge.technique("sparsegpt"), facts)
    assert isinstance(found, Rejection)
    assert "on the GPU; 2.0 are free" in found.because and "GiB of RAM; 3.4 are free" in found.because
