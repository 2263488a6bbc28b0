"""The terms of a peak: what each setting of a request does to them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.domain.architecture import ModelShape
from advisor.domain.errors import AdvisorError
from advisor.domain.estimate import Estimate, EstimateRequest
from advisor.engine.estimate import constants as c
from advisor.engine.estimate import estimate
from advisor.engine.estimate.adapters import ADAPTERS
from advisor.engine.estimate.methods import ALIASES, METHODS

SHAPE = ModelShape(layers=32, hidden=4096, intermediate=14336, heads=32, kv_heads=8, head_dim=128, vocab=128256)
PARAMS = 8_030_261_248


def peak(**request: Any) -> Estimate:
    return estimate(EstimateRequest.model_validate({"shape": SHAPE, "micro_batch": 1, "seq_len": 512, **request}))


@pytest.mark.parametrize("method", [*METHODS, *ALIASES, "dpo-lora", "dpo-qlora", "kto-lora", "grpo-qlora"])
@pytest.mark.parametrize("precision", ["fp32", "bf16", "bf16-mixed"])
def test_terms_sum_to_the_expected_peak(method: str, precision: str) -> None:
    """For every method the terms are not negative, sum to the peak, and the peak lies inside its range."""
    found = peak(method=method, precision=precision)
    terms = [value for _, value in found.terms]
    assert min(terms) >= 0
    assert sum(terms) == pytest.approx(found.peak_gib.expected)
    assert found.peak_gib.low <= found.peak_gib.expected <= found.peak_gib.high


def test_full_training_holds_weights_gradients_and_two_states() -> None:
    """Full AdamW training of a 16-bit model holds eight bytes per parameter, of an fp32 model sixteen."""
    for precision, each in (("bf16", 8), ("fp32", 16)):
        found = peak(method="full", precision=precision, seq_len=1).terms
        held = found.weights + found.gradients + found.optimizer
        assert held == pytest.approx(each * PARAMS / c.GIB, rel=1e-6)


def test_mixed_precision_adds_the_casts() -> None:
    """Autocast over fp32 weights keeps their 16-bit casts beside them."""
    mixed, plain = (peak(method="full", precision=p).terms.weights for p in ("bf16-mixed", "fp32"))
    assert mixed - plain == pytest.approx(2 * (PARAMS - 128256 * 4096) / c.GIB, rel=0.01)


def test_nf4_weights_with_their_block_maxima() -> None:
    """NF4 holds 4.5 bits per weight of the linear layers, 4.127 with double quantization, and the rest in 16 bits."""
    linear = PARAMS - 2 * 128256 * 4096 - 65 * 4096
    rest = 2 * (PARAMS - linear)
    for double, bits in ((False, 4.5), (True, 4 + 8.125 / 64)):
        found = peak(method="lora", quant={"bits": 4, "type": "nf4", "double": double})
        assert found.terms.weights == pytest.approx((linear * bits / 8 + rest) / c.GIB, rel=1e-4)


def test_lora_parameters_follow_rank_and_targets() -> None:
    """LoRA of rank 8 on queries and values of this model has 3.4 million parameters, kept in fp32."""
    found = peak(method="lora", lora={"rank": 8, "targets": ["q_proj", "v_proj"]})
    params = 32 * 8 * ((4096 + 4096) + (4096 + 1024))
    assert found.terms.adapters == pytest.approx(4 * params / c.GIB)
    assert found.terms.optimizer == pytest.approx(8 * params / c.GIB)
    assert found.terms.gradients == pytest.approx(4 * params / c.GIB)


def test_checkpointing_and_flash_attention_save_activations() -> None:
    """Checkpointing keeps one vector per layer; eager attention keeps every score."""
    plain, saved = (peak(method="lora", gradient_checkpointing=g, seq_len=4096) for g in (False, True))
    assert saved.terms.activations < plain.terms.activations / 5
    eager = peak(method="lora", attention="eager", seq_len=4096)
    scores = 32 * 32 * 4096**2 * 6 / c.GIB
    assert eager.terms.activations - plain.terms.activations == pytest.approx(scores, rel=0.05)


def test_optimizers_differ_in_their_states() -> None:
    """Eight-bit AdamW needs about a quarter of fp32 states, SGD none, Adafactor rows and columns only."""
    states = {
        name: peak(method="full", precision="fp32", optimizer=name).terms.optimizer
        for name in ("adamw", "adamw-8bit", "sgd", "adafactor", "lion")
    }
    assert states["adamw-8bit"] == pytest.approx(states["adamw"] / 4, rel=0.03)
    assert states["sgd"] == 0
    assert 0 < states["adafactor"] < states["adamw"] / 100
    assert states["lion"] == pytest.approx(states["adamw"] / 2)


def test_paged_states_lie_outside_the_allocator() -> None:
    """Paged states are not counted as allocated, but NVML sees them."""
    allocated = peak(method="full", optimizer="paged-adamw-8bit")
    nvml = peak(method="full", optimizer="paged-adamw-8bit", count="nvml")
    assert allocated.terms.optimizer == 0
    assert nvml.terms.optimizer > 10


def test_dpo_holds_a_reference_and_adapters_need_none() -> None:
    """DPO of all weights holds the model twice and two sequences per pair; with LoRA the base is its own reference."""
    full, dpo, adapter = (peak(method=m) for m in ("full", "dpo", "dpo-lora"))
    assert dpo.terms.weights == pytest.approx(2 * full.terms.weights)
    assert adapter.terms.weights == pytest.approx(full.terms.weights)
    assert adapter.terms.logits == pytest.approx(2 * peak(method="lora").terms.logits)


def test_a_teacher_stands_beside_the_student() -> None:
    """Distillation holds the teacher's 16-bit weights and its logits."""
    student = SHAPE.model_copy(update={"layers": 16})
    alone = peak(shape=student, method="full")
    taught = peak(shape=student, teacher=SHAPE, method="distill")
    assert taught.terms.weights - alone.terms.weights == pytest.approx(2 * PARAMS / c.GIB)


def test_sharding_divides_and_gathers() -> None:
    """FSDP over eight GPUs holds an eighth of the weights and gathers blocks; ZeRO-1 divides optimizer states only."""
    alone = peak(method="full", precision="fp32")
    shared = peak(method="full", precision="fp32", gpus=8, sharding="fsdp")
    assert shared.terms.weights == pytest.approx(alone.terms.weights / 8)
    assert shared.terms.optimizer == pytest.approx(alone.terms.optimizer / 8)
    assert shared.terms.temporary > alone.terms.temporary
    zero1 = peak(method="full", precision="fp32", gpus=8, sharding="zero1")
    assert zero1.terms.weights == pytest.approx(alone.terms.weights)
    assert zero1.terms.optimizer == pytest.approx(alone.terms.optimizer / 8)


def test_stages_as_the_executors_run_them() -> None:
    """PyTorch's stage 1 is DDP with divided states; stage 2 keeps whole weights in a step beside their shards, and
    divides gradients and states; stage 3 is FSDP."""
    asked: dict[str, Any] = {"method": "full", "precision": "fp32", "accumulation": 4, "gpus": 8, "by_executors": True}
    ddp, zero1, zero2, zero3, fsdp = (
        peak(**asked, sharding=sharding).terms for sharding in ("ddp", "zero1", "zero2", "zero3", "fsdp")
    )
    # Two states and a master copy of 4 bytes each, divided, where one alone holds two states.
    assert zero1 == ddp.model_copy(update={"optimizer": pytest.approx(ddp.optimizer * 3 / 2 / 8)})
    assert (zero2.gradients, zero2.optimizer) == (fsdp.gradients, fsdp.optimizer)
    assert fsdp.gradients == pytest.approx(ddp.gradients / 8)
    weights = 4 * PARAMS / c.GIB
    assert zero2.weights + zero2.temporary == pytest.approx(weights * 9 / 8 + c.BLAS_WORKSPACE / c.GIB)
    assert zero3 == fsdp


def test_flat_units_hold_gradients_of_frozen_weights() -> None:
    """FSDP1 with frozen and trained weights in one flat parameter: whole gradients of both while it accumulates."""
    shared: dict[str, Any] = {"method": "lora", "gpus": 2, "sharding": "fsdp", "gradient_checkpointing": True}
    apart = peak(**shared, accumulation=16)
    flat = peak(**shared, accumulation=16, flat_units=True)
    weights = 2 * PARAMS / c.GIB
    assert flat.terms.gradients - apart.terms.gradients == pytest.approx(weights, rel=0.01)
    assert peak(**shared, flat_units=True).terms.gradients < 0.6 * weights
    assert apart.peak_gib.high > flat.peak_gib.expected - 0.5


def test_a_size_alone_has_a_wider_range() -> None:
    """Dimensions that were guessed from a size leave activations and logits more open than those of a named model."""
    asked = {"method": "lora", "seq_len": 2048}
    named = peak(**asked).peak_gib
    sized = estimate(EstimateRequest.model_validate({**asked, "model": {"params_b": 8.03}})).peak_gib
    assert sized.expected == pytest.approx(named.expected, rel=0.5)
    assert (sized.high - sized.low) / sized.expected > 1.5 * (named.high - named.low) / named.expected


def test_executors_keep_masters() -> None:
    """All weights trained here in 16 bits hold 2 bytes of weight and 12 of masters and AdamW's states per parameter."""
    found = peak(method="full", precision="bf16", by_executors=True, seq_len=1).terms
    assert found.optimizer == pytest.approx(6 * found.weights)
    plain = peak(method="full", precision="bf16", seq_len=1).terms
    assert plain.optimizer == pytest.approx(2 * plain.weights)


def test_the_update_may_be_the_peak() -> None:
    """With next to no activations the optimizer's step holds most: 2 + 4 + 4 + 8 bytes per parameter."""
    found = peak(method="full", precision="bf16", by_executors=True, seq_len=1)
    assert found.terms.gradients == pytest.approx(2 * found.terms.weights)
    assert any("optimizer's step" in text for text in found.assumptions)


def test_deepspeed_keeps_masters() -> None:
    """ZeRO-3 over eight GPUs holds sixteen bytes per parameter divided by eight, with 16-bit weights."""
    found = peak(method="full", precision="bf16", gpus=8, sharding="zero3", seq_len=1).terms
    assert found.weights + found.optimizer == pytest.approx((2 + 12) * PARAMS / 8 / c.GIB, rel=1e-6)


def test_ddp_buckets_are_a_second_copy_of_the_gradients() -> None:
    """DDP's buckets hold all gradients once more."""
    ddp = peak(method="full", gpus=4, sharding="ddp").terms
    assert ddp.gradients == pytest.approx(2 * PARAMS / c.GIB)
    assert ddp.temporary > ddp.gradients


def test_inference_holds_keys_and_values() -> None:
    """The cache takes 128 KiB per token of this model; doubling the context adds that much and the pass over it."""
    short, long = (peak(method="inference", seq_len=n).terms.activations for n in (1024, 2048))
    assert long - short >= 1024 * 131072 / c.GIB


def test_hessians_of_the_widest_input() -> None:
    """GPTQ and SparseGPT hold fp32 Hessians of 14336 inputs that Wanda does not; GPTQ moves one block at a time."""
    gptq, sparse, wanda = (peak(method=m).terms for m in ("gptq", "sparsegpt", "wanda"))
    assert sparse.temporary - wanda.temporary > 3 * 14336**2 * 4 / c.GIB
    assert gptq.weights < sparse.weights / 5


def test_counting_more_than_the_allocator_adds_context() -> None:
    """Reserved memory adds slack, NVML the CUDA context too."""
    peaks = [peak(method="lora", count=count).peak_gib.expected for count in ("allocated", "reserved", "nvml")]
    assert peaks == sorted(peaks)
    assert peaks[2] - peaks[1] == pytest.approx(c.CUDA_CONTEXT)


def test_every_adapter_trains_something() -> None:
    """Every kind of adapter has parameters of its own and fewer than a twentieth of the model's."""
    for name in {m.adapter for m in METHODS.values()} - {""}:
        assert name in ADAPTERS
    for method, traits in METHODS.items():
        if traits.trains == "adapter":
            assert 0 < peak(method=method).terms.adapters < 4 * PARAMS / 20 / c.GIB, method


@pytest.mark.parametrize(
    ("request_", "close"),
    [
        ({"method": "lorra"}, "lora"),
        ({"method": "lora", "optimizer": "adamww"}, "adamw"),
        ({"method": "lora", "lora": {"targets": ["q_prog"]}}, "q_proj"),
        ({"method": "lora", "quant": {"bits": 4, "type": "nf5"}}, "nf4"),
    ],
)
def test_unknown_words_name_the_nearest(request_: dict[str, Any], close: str) -> None:
    """An unknown method, optimizer, target or quantization type is refused with the nearest known one."""
    with pytest.raises(AdvisorError) as error:
        peak(**request_)
    assert close in error.value.hint


@settings(max_examples=60, deadline=None)
@given(
    method=st.sampled_from(sorted(METHODS)),
    precision=st.sampled_from(["fp32", "bf16", "bf16-mixed", "fp16"]),
    sharding=st.sampled_from(["none", "ddp", "zero1", "zero2", "zero3", "fsdp"]),
    batch=st.integers(1, 32),
    length=st.integers(1, 8192),
    checkpointing=st.booleans(),
)
def test_more_work_never_needs_less(
    method: str, precision: str, sharding: str, batch: int, length: int, checkpointing: bool
) -> None:
    """A longer sequence, a larger batch or no recomputation never lowers the peak."""
    base: dict[str, Any] = {"method": method, "precision": precision, "sharding": sharding, "gpus": 4}
    base |= {"micro_batch": batch, "seq_len": length, "gradient_checkpointing": checkpointing}
    expected = peak(**base).peak_gib.expected * (1 - 1e-9)
    for more in ({"seq_len": length + 64}, {"micro_batch": batch + 1}, {"gradient_checkpointing": False}):
        assert peak(**{**base, **more}).peak_gib.expected >= expected
