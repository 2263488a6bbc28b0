"""advisor/engine/estimate/duration.py: seconds from measured or typical speed and from the data's real lengths."""

from __future__ import annotations

import statistics

import pytest

from advisor.domain.facts import Facts
from advisor.engine.estimate import constants as c
from advisor.engine.estimate.duration import Passes, achieved_flops, micro_batch_seconds
from advisor.engine.estimate.methods import method_of
from advisor.engine.estimate.shapes import count_params, shape_from_params
from advisor.engine.estimate.step import estimate_step
from advisor.engine.estimate.workload import longest_sequence, row_length, training_tokens
from advisor.knowledge import load_knowledge
from tests.bench.time_error import compare

AMX = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
SAMPLE = Facts(
    goal="x",
    model_params_b=0.135,
    model_shape=shape_from_params(0.135),
    cpu_cores=2,
    cpu_features=AMX,
    ram_gib=16.0,
    data_kind="instructions",
    data_examples=7122,
    data_seq_len=256,
    data_row_tokens=29,
    data_longest_row=121,
)
SETTINGS = {"micro_batch": 8, "seq_len": 256, "max_steps": 60}


def test_a_small_training_on_a_good_processor_takes_minutes() -> None:
    """60 steps of 8 short rows through 135M parameters on two AMX cores: published speeds of 250 to 730 tokens/s give
    42 to 123 seconds of training, which the range covers."""
    found = estimate_step(load_knowledge().technique("lora"), SAMPLE, SETTINGS).seconds
    assert found is not None
    assert 42 < found.expected - c.START_SECONDS["train"] < 123
    assert found.low < 60 * 8 * 64 / 730 + c.START_SECONDS["train"] and found.high > 60 * 8 * 64 / 250


@pytest.mark.parametrize(
    ("features", "bf16", "fp32"), [(AMX, 120, 20), (AMX[:3], 100, 20), (("avx2",), 15, 15), (("neon", "bf16"), 40, 15)]
)
def test_a_processor_is_as_fast_as_its_features(features: tuple[str, ...], bf16: float, fp32: float) -> None:
    """Without calibration the best feature for the format decides, per core."""
    facts = SAMPLE.model_copy(update={"cpu_features": features})
    assert achieved_flops(facts) == pytest.approx(2 * bf16 * 1e9)
    assert achieved_flops(facts, "fp32") == pytest.approx(2 * fp32 * 1e9)


def test_precision_takes_its_own_measured_speed() -> None:
    """A step in fp32 goes by the fp32 figure of the calibration."""
    facts = SAMPLE.model_copy(update={"measured_tflops": 0.5, "measured_tflops_fp32": 0.05, "calibration": "x"})
    lora = load_knowledge().technique("lora")
    fast, slow = (estimate_step(lora, facts, {**SETTINGS, "precision": p}).seconds for p in ("bf16", "fp32"))
    assert fast is not None and slow is not None
    start = c.START_SECONDS["train"]
    assert slow.expected - start == pytest.approx(10 * (fast.expected - start), rel=0.1)


def test_rows_count_with_their_real_length() -> None:
    """Known rows count with their tokens and the template's, cut at the limit; running text fills its window."""
    assert row_length(SAMPLE, 256) == 29 + c.USUAL_TEMPLATE_TOKENS
    assert row_length(SAMPLE, 40) == 40
    assert row_length(SAMPLE.model_copy(update={"data_kind": "text"}), 256) == 256
    assert row_length(SAMPLE.model_copy(update={"data_row_tokens": None}), 256) == 128
    assert training_tokens(SAMPLE, SETTINGS)[0] == 60 * 8 * (29 + c.USUAL_TEMPLATE_TOKENS)
    assert longest_sequence(SAMPLE, 256) == 121 + c.LARGEST_TEMPLATE_TOKENS


def test_a_slower_disk_and_memory_make_rewriting_slower() -> None:
    """Merging goes by the measured disk and memory."""
    merge = load_knowledge().technique("adapter-merge")
    slow = SAMPLE.model_copy(update={"measured_disk_mbs": 10.0, "measured_bandwidth": 0.5})
    before, after = (estimate_step(merge, facts, {}).seconds for facts in (SAMPLE, slow))
    assert before is not None and after is not None
    assert after.expected > 2 * before.expected


def test_a_merge_starts_sooner_than_a_training() -> None:
    """What imports less starts sooner: merging or converting 135M parameters takes seconds."""
    known = load_knowledge()
    seconds = [estimate_step(known.technique(name), SAMPLE, {}).seconds for name in ("adapter-merge", "gguf", "lora")]
    merge, gguf, lora = (each.expected for each in seconds if each is not None)
    assert 5 < merge < 15 and gguf < 20 < lora


def test_rows_need_logits_at_their_answers_only() -> None:
    """Supervised rows need less RAM on a CPU than running text of that length, by logits with their fragmentation."""
    lora = load_knowledge().technique("lora")
    rows, text = (
        estimate_step(lora, SAMPLE.model_copy(update={"data_kind": kind, "data_longest_row": None}), SETTINGS)
        for kind in ("instructions", "text")
    )
    assert rows.ram_gib and text.ram_gib and text.terms
    saved = (1 - c.ANSWER_SHARE) * text.terms.logits * c.HEAP_FRAGMENTATION
    assert text.ram_gib.expected - rows.ram_gib.expected == pytest.approx(saved)


def test_published_speeds_are_met() -> None:
    """Seconds of a micro batch on one GPU: half of the published ones are met within a quarter, all within a factor of
    2.1, compiled ones included, which launch fewer kernels."""
    factors = [max(row.factor, 1 / row.factor) for row in compare()]
    assert len(factors) >= 20
    assert statistics.median(factors) <= 1.25
    assert max(factors) <= 2.1


def test_sharded_weights_take_time_to_gather() -> None:
    """Two cards on PCIe wait for the weights of the others; cards with HBM are linked faster."""
    shape, method = shape_from_params(8.0), method_of("lora")[0]

    def seconds(bandwidth: float, gpus: int) -> float:
        facts = Facts(goal="x", has_gpu=True, gpu_tflops_bf16=200.0, gpu_bandwidth_gbs=bandwidth)
        return micro_batch_seconds(shape, method, facts, Passes(1024, 1024, True, gpus, "fsdp"))

    assert seconds(1000.0, 2) - seconds(1000.0, 1) > 8 * (seconds(2000.0, 2) - seconds(2000.0, 1)) > 0


def test_stepped_weights_take_time_to_send() -> None:
    """ZeRO-1 sends all weights once an optimizer step; keeping gathered blocks, once a micro batch. DDP sends none."""
    shape, method = shape_from_params(8.0), method_of("full")[0]
    facts = Facts(goal="x", has_gpu=True, gpu_tflops_bf16=200.0, gpu_bandwidth_gbs=1000.0)

    def seconds(sharding: str, accumulation: int, gpus: int = 4) -> float:
        passes = Passes(1024, 1024, True, gpus, sharding, accumulation=accumulation)
        return micro_batch_seconds(shape, method, facts, passes) - micro_batch_seconds(
            shape, method, facts, passes._replace(sharding="ddp")
        )

    weights = count_params(shape)
    sent = weights * c.HALF * 3 / 4 / (c.LINK_GBS["pcie"] * 1e9)
    spared = weights * c.OPTIMIZER_BYTES * 3 / 4 / 1000e9
    for accumulation in (1, 8):
        assert seconds("ddp-states", accumulation) == pytest.approx((sent - spared) / accumulation)
    assert seconds("fsdp-kept", 8) > 4 * seconds("ddp-states", 8)
    assert seconds("ddp-states", 1, gpus=1) == 0


def test_writing_completions_takes_most_of_the_time() -> None:
    """GRPO writes several completions for each prompt, token by token, which costs more than training on them."""
    known = load_knowledge()
    facts = Facts(
        goal="x",
        has_gpu=True,
        gpu_count=1,
        gpu_tflops_bf16=300.0,
        gpu_bandwidth_gbs=2000.0,
        model_params_b=1.5,
        model_shape=shape_from_params(1.5),
        data_kind="rewards",
        data_examples=1000,
    )
    settings = {"micro_batch": 8, "seq_len": 512}
    grpo, longer, dpo = (
        estimate_step(known.technique(name), facts, {**settings, **more}).seconds
        for name, more in (("grpo", {}), ("grpo", {"max_completion_length": 512}), ("dpo", {}))
    )
    assert grpo and longer and dpo
    assert grpo.expected > 5 * dpo.expected
    assert 1.5 < longer.expected / grpo.expected < 2.5


def test_unpacking_four_bits_costs_the_same_however_few_tokens() -> None:
    """QLoRA is slower than LoRA by the time of unpacking all weights in each pass, whatever the batch."""
    facts = Facts(goal="x", has_gpu=True, gpu_tflops_bf16=300.0, gpu_bandwidth_gbs=1555.0)
    shape = shape_from_params(7.0)

    def extra(tokens: int) -> float:
        lora, qlora = (
            micro_batch_seconds(shape, method_of(name)[0], facts, Passes(tokens, tokens, False))
            for name in ("lora", "qlora")
        )
        return qlora - lora

    assert extra(128) == pytest.approx(extra(4096))
