"""One step of a stack: memory, disk, time and quality of every family, fast."""

from __future__ import annotations

import time

import pytest

from advisor.domain.facts import Facts
from advisor.domain.knowledge import Knowledge
from advisor.domain.words import Family
from advisor.engine.estimate.chain import estimate_chain
from advisor.engine.estimate.step import estimate_step
from advisor.knowledge import load_knowledge

GPU = Facts(
    goal="optimize",
    model_params_b=7,
    has_gpu=True,
    gpu_gib=24,
    gpu_count=1,
    gpu_tflops_bf16=165,
    gpu_bandwidth_gbs=1008,
    data_examples=5000,
    data_seq_len=1024,
    data_tokens=None,
)
CPU = GPU.model_copy(
    update={"has_gpu": False, "gpu_gib": None, "model_params_b": 0.135, "cpu_cores": 2, "ram_gib": 8.0}
)
LOCAL = {Family.PRETRAIN, Family.DISTILL, Family.FINETUNE, Family.ALIGN, Family.EDIT, Family.MERGE, Family.PRUNE}


@pytest.fixture(scope="module")
def knowledge() -> Knowledge:
    return load_knowledge()


@pytest.mark.parametrize("facts", [GPU, CPU], ids=["gpu", "cpu"])
def test_every_technique_has_an_estimate(knowledge: Knowledge, facts: Facts) -> None:
    """Every technique gets an estimate whose ranges are in order; steps on weights have memory, disk and time."""
    for technique in knowledge.techniques:
        found = estimate_step(technique, facts, technique.config)
        for part in (found.gpu_gib, found.ram_gib, found.disk_gib, found.seconds):
            assert part is None or 0 <= part.low <= part.expected <= part.high, technique.id
        assert found.quality.range is not None or found.quality.text, technique.id
        if technique.family in LOCAL and technique.role == "step" and technique.estimate_method:
            assert found.ram_gib is not None and found.disk_gib is not None and found.seconds is not None
        assert facts.has_gpu or found.gpu_gib is None


def test_a_step_takes_well_under_a_millisecond(knowledge: Knowledge) -> None:
    """The mean over all techniques, warm, stays below one millisecond."""
    for technique in knowledge.techniques:
        estimate_step(technique, GPU, technique.config)
    start = time.perf_counter()
    for technique in knowledge.techniques:
        estimate_step(technique, GPU, technique.config)
    assert (time.perf_counter() - start) / len(knowledge.techniques) < 1e-3


def test_lora_is_smaller_than_full_training_everywhere(knowledge: Knowledge) -> None:
    """LoRA needs less GPU memory, disk and time than training every weight."""
    lora, full = (estimate_step(knowledge.technique(name), GPU, {}) for name in ("lora", "full-sft"))
    for name in ("gpu_gib", "disk_gib", "seconds"):
        assert getattr(lora, name).expected < getattr(full, name).expected


def test_more_data_and_steps_take_longer(knowledge: Knowledge) -> None:
    """Time grows with epochs, and max_steps overrides them."""
    lora = knowledge.technique("lora")
    once, twice, short = (
        estimate_step(lora, GPU, config).seconds for config in ({}, {"epochs": 2}, {"epochs": 2, "max_steps": 10})
    )
    assert short is not None and once is not None and twice is not None
    assert short.expected < once.expected < twice.expected


def test_a_calibrated_machine_is_believed(knowledge: Knowledge) -> None:
    """A measured rate replaces the catalogue's and narrows the range."""
    lora = knowledge.technique("lora")
    guessed = estimate_step(lora, GPU, {}).seconds
    measured = estimate_step(lora, GPU.model_copy(update={"measured_tflops": 10.0}), {}).seconds
    assert guessed is not None and measured is not None
    assert measured.expected > guessed.expected
    assert measured.high / measured.low < guessed.high / guessed.low


def test_quality_goes_by_bits_and_size(knowledge: Knowledge) -> None:
    """Four bits cost a small model more than a large one, eight bits cost less; what is not measured says so."""
    gptq = knowledge.technique("gptq")
    small, large = (
        estimate_step(gptq, GPU.model_copy(update={"model_params_b": size}), {}).quality for size in (0.5, 72.0)
    )
    eight = estimate_step(gptq, GPU.model_copy(update={"model_params_b": 0.5}), {"bits": 8}).quality
    assert small.range and large.range and eight.range
    assert small.range.expected < eight.range.expected < large.range.expected
    assert small.sources and small.sources[0].split()[0] in {source.id for source in knowledge.sources}
    three = estimate_step(gptq, GPU, {"bits": 3}).quality
    assert three.range is None and three.text


def test_quality_sources_are_declared(knowledge: Knowledge) -> None:
    """Every row of quality names a source of the knowledge."""
    from advisor.engine.estimate.quality_rows import ROWS

    known = {source.id for source in knowledge.sources}
    for rows in ROWS.values():
        for row in rows:
            assert row.low <= row.median <= row.high
            assert row.source.split()[0] in known, row.source


def test_a_chain_keeps_artifacts_and_takes_the_largest_peak(knowledge: Knowledge) -> None:
    """Memory is that of the largest step, time adds up, the disk holds every artifact."""
    steps = [estimate_step(knowledge.technique(name), GPU, {}) for name in ("lora", "adapter-merge", "gguf")]
    chain = estimate_chain(steps)
    assert chain.peak_gpu_gib == max(step.gpu_gib.expected for step in steps if step.gpu_gib)
    assert chain.seconds == pytest.approx(sum(step.seconds.expected for step in steps if step.seconds))
    assert chain.peak_disk_gib >= sum(step.disk_gib.low for step in steps if step.disk_gib)


def test_merging_and_rounding_need_no_gpu(knowledge: Knowledge) -> None:
    """Steps that only rewrite weights stream through the host, however small the GPU is."""
    for name in ("adapter-merge", "gguf", "magnitude-pruning"):
        assert estimate_step(knowledge.technique(name), GPU, {}).gpu_gib is None


def test_training_methods_are_compared_with_each_other(knowledge: Knowledge) -> None:
    """The figure of an adapter says against what it was measured; it is not the gain of training."""
    for name in ("lora", "qlora", "ia3", "full-sft"):
        assert "against" in estimate_step(knowledge.technique(name), GPU, {}).quality.unit


def test_a_merge_is_compared_where_memory_allows(knowledge: Knowledge) -> None:
    """A merged model is compared with base and adapter in 32 bits, which decides its memory; where that does not fit,
    the merge streams and needs little."""
    merge = knowledge.technique("adapter-merge")
    large, small = (estimate_step(merge, GPU.model_copy(update={"ram_gib": ram}), {}).ram_gib for ram in (256.0, 12.0))
    assert large is not None and small is not None
    assert large.expected > 4 * (GPU.model_params_b or 0) * 0.9 > small.expected
