"""The time of evaluations."""

from __future__ import annotations

from typing import Any

import pytest

from advisor.domain.answers import Answers
from advisor.domain.estimate import Range, StepEstimate
from advisor.domain.facts import Facts
from advisor.engine.estimate import constants as c
from advisor.engine.estimate.chain import estimate_chain
from advisor.engine.estimate.evaluation import evaluation_seconds, read_tokens, written_tokens
from advisor.engine.estimate.shapes import shape_from_params
from advisor.files import read_answers
from advisor.runs.advise import Overrides, advise, plan_of

CPU = Facts(goal="optimize", cpu_cores=8, cpu_features=("avx2",), ram_gib=16.0, data_kind="text")
GPU = CPU.model_copy(update={"has_gpu": True, "gpu_tflops_bf16": 150.0, "gpu_bandwidth_gbs": 1000.0, "gpu_gib": 24.0})
CONFIG = {"max_examples": 64, "seq_len": 256, "multiple_choice": 50, "generate_tokens": 32}


def test_tokens_are_those_that_are_read_and_written() -> None:
    """Rows at their length, every choice of every question, further data, and the prompts that measure speed."""
    probes = {"general": {"max_examples": 12}}
    expected = 64 * 256 + 12 * 256 + 50 * c.CHOICES * c.CHOICE_TOKENS + c.SPEED_TOKENS
    assert read_tokens(CPU, {**CONFIG, "probes": probes}) == expected
    assert written_tokens(CONFIG) == 32 + c.SAMPLE_TOKENS
    assert written_tokens({**CONFIG, "generate_tokens": 0}) == 0
    assert written_tokens({"answers": 10, "answer_tokens": 20}) == 200


@pytest.mark.parametrize("facts", [CPU, GPU])
def test_larger_models_and_more_questions_take_longer(facts: Facts) -> None:
    """Seconds grow with the model and with what is asked, and the range holds the expected value."""
    small, large = (evaluation_seconds(shape_from_params(size), facts, CONFIG) for size in (0.5, 8.0))
    more = evaluation_seconds(shape_from_params(0.5), facts, {**CONFIG, "answers": 40})
    assert small.expected < large.expected
    assert small.expected < more.expected
    assert small.low < small.expected < small.high


def test_a_measured_machine_has_a_narrower_range() -> None:
    """As for steps: half as wide."""
    measured = CPU.model_copy(update={"measured_tflops": 0.1, "measured_tflops_fp32": 0.1})
    known, guessed = (evaluation_seconds(shape_from_params(1.0), facts, CONFIG) for facts in (measured, CPU))
    assert known.high / known.expected < guessed.high / guessed.expected


def test_the_chain_counts_them() -> None:
    """Seconds of a chain are those of its steps and of its evaluations."""
    step = StepEstimate(seconds=Range(low=1, expected=10, high=20))
    chain = estimate_chain([step, step], 3, 5.0)
    assert (chain.seconds, chain.evaluations, chain.evaluation_seconds) == (35.0, 3, 15.0)


def test_baseline_and_each_executed_step() -> None:
    """The sample's three steps are measured four times, for as long as its plan says of one time."""
    advice = advise(read_answers("trees/answers/smollm2-stdlib.yaml"), Overrides(no_gpu=True, ram_gib=16))
    chain, plan = advice.recommendation.chain, plan_of(advice)
    assert chain.evaluations == len(plan.steps) + 1 == 4
    assert plan.evaluation.seconds is not None
    assert chain.evaluation_seconds == pytest.approx(4 * plan.evaluation.seconds.expected)
    steps = sum(step.estimate.seconds.expected for step in plan.steps if step.estimate.seconds)
    assert chain.seconds == pytest.approx(steps + chain.evaluation_seconds)


def test_nothing_executed_is_not_measured() -> None:
    """Advice without a step that runs here has no evaluations."""
    assert estimate_chain([StepEstimate()]).evaluations == 0


def counted(answers: dict[str, Any]) -> int:
    """The evaluations that the advice on a CPU tells of."""
    return advise(Answers.model_validate(answers), Overrides(no_gpu=True, ram_gib=16)).recommendation.chain.evaluations


def test_as_many_are_told_as_the_plan_makes() -> None:
    """None where a provider trains or the only step does not run yet, four where a technique trains in two phases."""
    behavior = {"goal": "change-behavior", "behavior": "task"}
    rows = {"path": "builtin:stdlib", "kind": "instructions", "examples": 500}
    provider = {**behavior, "compute": "api", "model": {"id": "gpt-4o-mini"}, "use": ["openai-finetune"], "data": rows}
    assert counted(provider) == 0
    model = {"id": "builtin:smollm2-135m-instruct"}
    assert counted({**behavior, "model": model, "use": ["lora"], "data": {"kind": "instructions"}}) == 0
    assert counted({**behavior, "model": model, "use": ["lora"], "data": rows}) == 2
    text = {"path": "builtin:stdlib", "kind": "text", "tokens": 240_000}
    phases = {"goal": "expand-knowledge", "expansion": "new-domain", "model": {**model, "kind": "base"}, "data": text}
    asked = {**phases, "use": ["cpt-then-instruct", "gguf"], "serve": {"target": "cpu", "bits": 8}}
    assert counted(asked) == 4
