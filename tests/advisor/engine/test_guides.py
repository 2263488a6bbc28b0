"""Rules that guides state in general, instantiated: the right family of answers in situations that nobody measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from advisor.domain.recommendation import Recommendation

Values = dict[str, Any]
TASK: Values = {"goal": "change-behavior", "behavior": "task"}
ALIGN: Values = {"goal": "change-behavior", "behavior": "alignment"}
SMALLER: Values = {"goal": "optimize", "optimize_for": "memory-latency"}
FASTER: Values = {"goal": "optimize", "optimize_for": "throughput"}
DOMAIN: Values = {"goal": "expand-knowledge", "expansion": "new-domain"}
LANGUAGE: Values = {"goal": "expand-knowledge", "expansion": "new-language"}
FRESH: Values = {"goal": "expand-knowledge", "expansion": "freshness"}
GROUND: Values = {"goal": "ground-knowledge"}
CALIBRATION: Values = {"kind": "text", "examples": 512}
QUANTIZERS = ("awq", "gptq", "gguf", "bnb-nf4", "bnb-int8", "fp8", "int8-w8a8", "nvfp4", "mxfp4", "mxfp8", "qat")
TRAINERS = ("lora", "qlora", "dora", "full-sft")
RETRIEVERS = ("basic-rag", "hybrid-rag", "agentic-rag", "current-rag")


def rows(kind: str, examples: int, **more: Any) -> Values:
    return {"kind": kind, "examples": examples, **more}


def on(name: str, gib: float, count: int = 1, ram: float = 256) -> Values:
    return {"gpus": [{"name": name, "memory_gib": gib, "count": count}], "ram_gib": ram, "disk_gib": 2000}


CPU: Values = {"gpus": [], "ram_gib": 64}
B = "params_b"


# name, goal, everything else, one of these, none of these (None for "one of": nothing is feasible)
GUIDES: list[tuple[str, Values, Values, tuple[str, ...] | None, tuple[str, ...]]] = [
    ("lora-fits", TASK, {"model": {B: 8}, "data": rows("instructions", 5000), "hardware": on("RTX A6000", 48)}, ("lora",), ("qlora", "full-sft")),
    ("full-with-data-and-compute", {**TASK, "compute": "sufficient"}, {"model": {B: 8}, "data": rows("instructions", 200_000), "hardware": on("H100", 80, 8)}, ("full-sft",), ("qlora",)),
    ("limited-compute-never-full", {**TASK, "compute": "limited"}, {"model": {B: 8}, "data": rows("instructions", 200_000), "hardware": on("H100", 80, 8)}, ("lora",), ("full-sft",)),
    ("13b-on-24", TASK, {"model": {B: 13}, "data": rows("instructions", 5000), "hardware": on("RTX 3090", 24)}, ("qlora",), ("lora", "full-sft")),
    ("70b-on-48", TASK, {"model": {B: 70}, "data": rows("instructions", 5000), "hardware": on("RTX A6000", 48)}, ("qlora",), ("lora",)),
    ("3b-on-8", TASK, {"model": {B: 3}, "data": rows("instructions", 3000), "hardware": on("RTX 3070", 8)}, ("qlora",), ("full-sft",)),
    ("given-batch-too-tight", TASK, {"model": {"id": "google/gemma-7b"}, "data": rows("instructions", 2000, seq_len=512), "train": {"micro_batch": 1}, "hardware": on("A10G", 24)}, ("qlora",), ("lora",)),
    ("8b-lora-not-on-two-cores", TASK, {"model": {B: 8}, "data": rows("instructions", 5000), "hardware": CPU}, None, TRAINERS),
    ("quantized-base", TASK, {"model": {B: 8, "quantized": "nf4"}, "data": rows("instructions", 3000), "hardware": on("RTX 4090", 24)}, ("qlora",), ("full-sft",)),
    ("few-examples-are-prompts", TASK, {"model": {B: 8}, "data": rows("instructions", 30), "hardware": on("RTX 4090", 24)}, ("few-shot",), (*TRAINERS, *RETRIEVERS)),
    ("tone-is-a-prompt", {**TASK, "behavior": "quick", "task": "chat"}, {"model": {B: 8}, "data": {"kind": "none"}, "hardware": on("RTX 4090", 24)}, ("system-prompt",), (*TRAINERS, *RETRIEVERS)),
    ("hosted-model", {**TASK, "compute": "api"}, {"model": {"id": "gpt-4o-mini"}, "data": rows("instructions", 500), "hardware": CPU}, ("openai-finetune",), TRAINERS),
    ("hosted-open-model", {**TASK, "compute": "api"}, {"model": {"id": "meta-llama/Llama-3.1-8B-Instruct"}, "data": rows("instructions", 500), "hardware": CPU}, ("together-finetune",), TRAINERS),
    ("private-data-stays", {**TASK, "compute": "api"}, {"model": {"id": "gpt-4o-mini"}, "data": rows("instructions", 500), "needs": ["private-data"], "hardware": CPU}, None, ("openai-finetune",)),
    ("marks-without-pairs", ALIGN, {"model": {B: 7}, "data": rows("feedback", 5000), "hardware": on("A100", 40)}, ("kto",), ("dpo", "orpo", "grpo")),
    ("checkable-answers", {**TASK, "task": "reasoning"}, {"model": {B: 3}, "data": rows("rewards", 5000), "hardware": on("RTX 4090", 24, 2)}, ("grpo",), ("dpo", "kto")),
    ("pairs-on-instruct", ALIGN, {"model": {B: 8, "kind": "instruct"}, "data": rows("preferences", 10_000), "hardware": on("RTX 4090", 24)}, ("dpo",), ("kto", "grpo", "rlhf")),
    ("pairs-on-base", ALIGN, {"model": {B: 7, "kind": "base"}, "data": rows("preferences", 10_000), "hardware": on("A100", 80)}, ("orpo",), ("kto",)),
    ("no-human-feedback", ALIGN, {"model": {B: 7}, "data": {"kind": "none"}, "hardware": on("H100", 80, 4)}, ("rlaif",), ("dpo",)),
    ("refusals", ALIGN, {"model": {B: 7}, "data": rows("instructions", 2000), "hardware": on("A100", 80)}, ("safety-sft",), ("dpo",)),
    ("tool-calls", {**TASK, "behavior": "tools"}, {"model": {B: 8}, "data": rows("tool-calls", 4000), "hardware": on("RTX 4090", 24)}, ("function-calling-sft",), ("react",)),
    ("tools-without-data", {**TASK, "behavior": "tools"}, {"model": {B: 8}, "data": {"kind": "none"}, "hardware": on("RTX 4090", 24)}, ("tool-use-model", "react"), ("function-calling-sft", "lora")),
    ("facts-and-behaviour", {**GROUND, "knowledge": "both"}, {"model": {B: 8}, "data": rows("qa-pairs", 3000), "hardware": on("RTX 4090", 24)}, ("rag-aware-sft", "raft"), ("cpt",)),
    ("stable-pairs", {**GROUND, "knowledge": "static", "static_choice": "embed"}, {"model": {B: 8}, "data": rows("qa-pairs", 5000), "hardware": on("RTX 4090", 24)}, ("domain-sft",), ()),
    ("citations-beat-embedding", {**GROUND, "knowledge": "static", "static_choice": "embed"}, {"model": {B: 8}, "data": rows("qa-pairs", 5000), "needs": ["citations"], "hardware": on("RTX 4090", 24)}, RETRIEVERS, ("domain-sft",)),
    ("corpus-on-base", DOMAIN, {"model": {B: 8, "kind": "base"}, "data": {"kind": "text", "tokens": 2_000_000_000}, "hardware": on("H100", 80, 8)}, ("cpt-then-instruct",), ("cpt-on-instruct", "lora")),
    ("corpus-on-instruct", DOMAIN, {"model": {B: 8, "kind": "instruct"}, "data": {"kind": "text", "tokens": 500_000_000}, "hardware": on("H100", 80, 8)}, ("cpt-on-instruct",), ()),
    ("corpus-too-large-for-the-card", DOMAIN, {"model": {B: 70, "kind": "base"}, "data": {"kind": "text", "tokens": 100_000_000_000}, "hardware": on("RTX 4090", 24)}, None, ("cpt",)),
    ("weekly-facts", FRESH, {"model": {B: 8}, "hardware": on("RTX 4090", 24)}, ("current-rag",), ("recent-cpt",)),
    ("twenty-facts", FRESH, {"model": {B: 7}, "data": rows("qa-pairs", 20), "hardware": on("RTX 4090", 24)}, ("knowledge-editing",), ("recent-cpt",)),
    ("language-corpus", LANGUAGE, {"model": {B: 8}, "data": {"kind": "text", "tokens": 10_000_000_000}, "hardware": on("H100", 80, 16)}, ("multilingual-cpt",), ()),
    ("language-adapter", LANGUAGE, {"model": {B: 8}, "data": {"kind": "text", "tokens": 20_000_000}, "hardware": on("RTX 4090", 24)}, ("cross-lingual-peft",), ("multilingual-cpt",)),
    ("translations", LANGUAGE, {"model": {B: 8}, "data": rows("parallel", 50_000), "hardware": on("RTX 4090", 24)}, ("translation-augmentation",), ()),
    ("throughput-on-ampere", FASTER, {"model": {B: 8}, "data": CALIBRATION, "serve": {"target": "gpu", "batch": 64}, "hardware": on("A100", 80)}, ("int8-w8a8",), ("fp8", "awq", "gptq", "nvfp4")),
    ("throughput-on-ada", FASTER, {"model": {B: 8}, "data": CALIBRATION, "serve": {"target": "gpu", "batch": 32}, "hardware": on("RTX 4090", 24)}, ("fp8",), ("awq", "gptq")),
    ("throughput-on-blackwell", FASTER, {"model": {B: 70}, "data": CALIBRATION, "serve": {"target": "gpu", "batch": 64}, "hardware": on("B200", 180)}, ("nvfp4",), ("awq", "gguf")),
    ("cpu-serving", SMALLER, {"model": {B: 8}, "serve": {"target": "cpu"}, "hardware": CPU}, ("gguf",), ("awq", "gptq", "fp8")),
    ("ollama", SMALLER, {"model": {B: 8}, "serve": {"target": "gpu", "runtime": "ollama"}, "hardware": on("RTX 3060", 12)}, ("gguf",), ("awq", "gptq")),
    ("no-calibration-text", SMALLER, {"model": {B: 8}, "data": {"kind": "none"}, "serve": {"target": "gpu"}, "hardware": on("RTX 3060", 12)}, ("bnb-nf4",), ("awq", "gptq")),
    ("below-a-billion", SMALLER, {"model": {B: 0.5}, "data": CALIBRATION, "serve": {"target": "gpu"}, "hardware": on("RTX 3060", 12)}, ("int8-w8a8", "bnb-int8", "fp8"), ("awq", "gptq", "bnb-nf4")),
    ("eight-bits-on-ampere", SMALLER, {"model": {B: 8}, "data": CALIBRATION, "serve": {"target": "gpu", "bits": 8}, "hardware": on("A100", 40)}, ("int8-w8a8",), ("fp8", "awq")),
    ("two-bits-are-trained", SMALLER, {"model": {B: 3}, "data": rows("instructions", 50_000), "serve": {"target": "gpu", "bits": 2}, "hardware": on("A100", 80)}, ("qat",), ("awq",)),
    ("already-quantized", SMALLER, {"model": {B: 8, "quantized": "gptq"}, "serve": {"target": "gpu"}, "hardware": on("A100", 40)}, None, QUANTIZERS),
    ("70b-does-not-serve-on-24", SMALLER, {"model": {B: 70}, "data": CALIBRATION, "serve": {"target": "gpu", "bits": 4}, "hardware": on("RTX 4090", 24)}, None, ("awq",)),
    ("70b-serves-on-48-in-four-bits", SMALLER, {"model": {B: 70}, "data": CALIBRATION, "serve": {"target": "gpu"}, "hardware": on("RTX A6000", 48)}, ("awq", "gptq"), ("fp8", "int8-w8a8")),
    ("old-gpu", SMALLER, {"model": {B: 13}, "data": CALIBRATION, "serve": {"target": "gpu"}, "hardware": on("V100", 16)}, ("gptq",), ("awq", "fp8")),
    ("fewer-parameters", {"goal": "optimize", "optimize_for": "parameters"}, {"model": {B: 8}, "data": {"kind": "text", "tokens": 10_000_000_000}, "serve": {"target": "gpu"}, "hardware": on("H100", 80, 8)}, ("structured-pruning", "depth-pruning"), ("wanda", "awq")),
    ("edge-architecture", {"goal": "optimize", "optimize_for": "architecture"}, {"model": {B: 8}, "data": rows("instructions", 20_000), "serve": {"target": "edge", "memory_gib": 4}, "hardware": on("H100", 80)}, ("gguf",), ("awq",)),
    ("teacher-behind-an-api", {"goal": "optimize", "optimize_for": "architecture"}, {"model": {B: 8}, "teacher": {"id": "gpt-4o"}, "data": {"kind": "none"}, "hardware": on("A100", 80)}, ("synthetic-data-distillation", "response-distillation"), ("feature-distillation", "on-policy-distillation")),
    ("three-variants", TASK, {"model": {B: 7, "count": 3, "same_base": True}, "data": rows("none", 0), "hardware": CPU}, ("ties-merge", "dare-merge"), ("slerp-merge", "full-sft")),
    ("strangers-do-not-merge", TASK, {"model": {B: 7, "count": 2, "same_base": False}, "data": rows("none", 0), "hardware": CPU}, None, ("slerp-merge", "linear-merge")),
]  # fmt: skip


@pytest.mark.parametrize(("goal", "values", "one_of", "none_of"), [g[1:] for g in GUIDES], ids=[g[0] for g in GUIDES])
def test_guide(
    goal: Values,
    values: Values,
    one_of: tuple[str, ...] | None,
    none_of: tuple[str, ...],
    advise: Callable[..., Recommendation],
) -> None:
    """The stack agrees with the rule the guides state for this kind of situation."""
    result = advise({**goal, **values})
    stack = {entry.technique for entry in result.stack}
    assert result.feasible == (one_of is not None), [(r.technique, r.because) for r in result.rejected]
    assert one_of is None or stack & set(one_of), stack
    assert not stack & set(none_of)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"optimize_for": "memory-latency", "serve": {"target": "gpu", "batch": 1}, "hardware": on("A100", 80)}, ("lora", "adapter-merge", "awq")),
        ({"optimize_for": "throughput", "serve": {"target": "gpu", "batch": 64}, "hardware": on("H100", 80)}, ("lora", "adapter-merge", "fp8")),
    ],
)  # fmt: skip
def test_goals_compose(values: Values, expected: tuple[str, ...], advise: Callable[..., Recommendation]) -> None:
    """Training and compression in one stack: the adapter is merged between them, and the aim picks the format."""
    data = rows("instructions", 5000)
    result = advise({**TASK, "also": ["optimize"], "model": {B: 7}, "data": data, **values})
    assert tuple(entry.technique for entry in result.stack) == expected


def test_merged_variants_can_be_compressed(advise: Callable[..., Recommendation]) -> None:
    """Merging comes before quantizing."""
    model = {B: 7, "count": 3, "same_base": True}
    values = {"also": ["optimize"], "optimize_for": "memory-latency", "serve": {"target": "cpu"}, "hardware": CPU}
    result = advise({**TASK, "model": model, "data": rows("none", 0), **values})
    assert [entry.technique for entry in result.stack] == ["ties-merge", "gguf"]


def test_misfit_has_its_number(advise: Callable[..., Recommendation]) -> None:
    """What does not fit says how much it needs and how much is free."""
    result = advise({**TASK, "model": {B: 70}, "data": rows("instructions", 5000), "hardware": on("RTX 4090", 24)})
    because = {r.technique: r.because for r in result.rejected}
    assert not result.feasible
    assert "GiB" in because["qlora"] and "24.0 are free" in because["qlora"]
