"""What each technique requires: what rules it out, and that what nobody said does not."""

from __future__ import annotations

from typing import Any

import pytest

from advisor.domain.facts import Facts
from advisor.domain.knowledge import Knowledge
from advisor.domain.technique import Technique
from advisor.engine.conditions import holds

TRAINED_ON_EXAMPLES = ["lora", "qlora", "dora", "full-sft", "ia3", "prompt-tuning", "prefix-tuning", "p-tuning-v2"]
PREFERENCE = ["dpo", "orpo", "rlhf", "full-rlhf"]
CORPUS = ["cpt", "dapt", "recent-cpt", "cpt-then-sft", "cpt-then-instruct", "cpt-on-instruct"]
FROM_16_BITS = ["gptq", "awq", "gguf", "bnb-int8", "bnb-nf4", "fp8", "wanda", "magnitude-pruning", "full-sft", "dora"]
MERGES = ["linear-merge", "ties-merge", "dare-merge", "slerp-merge"]
DISTILLATIONS = ["response-distillation", "feature-distillation", "on-policy-distillation"]
NEED_TO_BE_TOLD = {*MERGES, *DISTILLATIONS, "synthetic-data-distillation", "openai-finetune", "claude-finetune"} | {
    "together-finetune",
    "deepspeed-zero",
    "fsdp",
}
"""Impossible until someone says there are several models or GPUs, a teacher, or a provider."""
NEED_NEW_GPU = {"fp8", "nvfp4", "mxfp4", "mxfp8"}

H100 = {"has_gpu": True, "gpu_capability": 9.0}
A100 = {"has_gpu": True, "gpu_capability": 8.0}
B200 = {"has_gpu": True, "gpu_capability": 10.0}
VARIANTS = {"model_count": 3}


def _is_possible(technique: Technique, **facts: Any) -> bool:
    situation = Facts(goal="change-behavior", **facts)
    return all(holds(needed.condition, situation) for needed in technique.requires)


def test_what_is_not_known_forbids_nothing(knowledge: Knowledge) -> None:
    """With nothing said and no GPU seen, only what needs to be told about is ruled out."""
    ruled_out = {t.id for t in knowledge.techniques if not _is_possible(t)}
    assert ruled_out == NEED_TO_BE_TOLD | NEED_NEW_GPU


def test_an_unknown_gpu_forbids_no_format(knowledge: Knowledge) -> None:
    """A GPU whose compute capability is not known rules out no number format."""
    assert [name for name in sorted(NEED_NEW_GPU) if not _is_possible(knowledge.technique(name), has_gpu=True)] == []


POSSIBLE: list[tuple[list[str], dict[str, Any]]] = [
    (TRAINED_ON_EXAMPLES, {"data_kind": "instructions"}),
    (PREFERENCE, {"data_kind": "preferences"}),
    (["kto"], {"data_kind": "feedback"}),
    (["grpo"], {"data_kind": "rewards"}),
    (["grpo"], {"data_kind": "qa-pairs", "task": "reasoning"}),
    (["function-calling-sft"], {"data_kind": "tool-calls"}),
    (CORPUS, {"data_kind": "text"}),
    (["basic-rag", "hybrid-rag", "reranking"], {"data_kind": "documents"}),
    (["basic-rag"], {"data_kind": "none", "knowledge": "dynamic"}),
    (["fp8"], H100),
    (["nvfp4", "mxfp4", "mxfp8", "fp8"], B200),
    (["fp8"], {**A100, "serve_gpu": "H100", "serve_capability": 9.0}),
    (["int8-w8a8"], A100),
    (["int8-w8a8"], {"serve_target": "cpu"}),
    (MERGES[:3], VARIANTS),
    (["slerp-merge"], {"model_count": 2, "model_same_base": True}),
    (["adapter-merge"], {"model_count": 1}),
    (DISTILLATIONS, {"has_teacher": True}),
    (DISTILLATIONS, {"optimize_for": "maximum"}),
    (["openai-finetune", "claude-finetune", "together-finetune"], {"compute": "api"}),
    (["together-finetune"], {"compute": "api", "model_id": "Qwen/Qwen2.5-7B-Instruct"}),
    (["qlora"], {"model_quantized": "nf4"}),
    (["qlora"], {"has_gpu": True, "model_params_b": 70.0}),
    (["qlora"], {"model_params_b": 0.135}),
    (["gptq", "awq"], {"data_kind": "text"}),
    (["magnitude-pruning", "gguf", "bnb-nf4"], {"data_kind": "none"}),
    (["deepspeed-zero", "fsdp"], {"gpu_count": 2}),
]
IMPOSSIBLE: list[tuple[list[str], dict[str, Any]]] = [
    (TRAINED_ON_EXAMPLES, {"data_kind": "none"}),
    (TRAINED_ON_EXAMPLES, {"compute": "api"}),
    (PREFERENCE, {"data_kind": "instructions"}),
    (["kto"], {"data_kind": "preferences"}),
    (["grpo"], {"data_kind": "preferences"}),
    (["grpo"], {"data_kind": "qa-pairs", "task": "chat"}),
    (["function-calling-sft"], {"data_kind": "instructions"}),
    (CORPUS, {"data_kind": "preferences"}),
    (["cpt-on-instruct"], {"model_kind": "base"}),
    (["cpt-then-instruct"], {"model_kind": "instruct"}),
    (["basic-rag", "hybrid-rag", "reranking"], {"data_kind": "none"}),
    (["fp8", "nvfp4", "mxfp4", "mxfp8"], A100),
    (["nvfp4", "mxfp4", "mxfp8"], H100),
    (["fp8"], {**H100, "serve_gpu": "A100", "serve_capability": 8.0}),
    (["fp8", "nvfp4"], {**B200, "serve_target": "cpu"}),
    (["int8-w8a8"], B200),
    (MERGES, {"model_count": 1}),
    (MERGES, {"model_count": 2, "model_same_base": False}),
    (["slerp-merge"], VARIANTS),
    (DISTILLATIONS, {"optimize_for": "memory-latency"}),
    (["openai-finetune"], {"compute": "api", "model_id": "Qwen/Qwen2.5-7B-Instruct"}),
    (["together-finetune"], {"compute": "api", "model_id": "gpt-4o-mini"}),
    (["openai-finetune"], {"compute": "api", "needs": ("offline",)}),
    (["openai-finetune"], {"compute": "limited"}),
    (["qlora"], {"has_gpu": True, "model_quantized": "mxfp4"}),
    (["qlora"], {"model_params_b": 70.0}),
    (FROM_16_BITS, {"has_gpu": True, "gpu_capability": 9.0, "model_quantized": "gptq"}),
    (["gptq", "awq", "wanda", "sparsegpt", "int8-w8a8"], {"data_kind": "none"}),
    (["gptq", "awq", "bnb-nf4"], {"serve_runtime": "llama.cpp"}),
    (["deepspeed-zero", "fsdp"], {"gpu_count": 1}),
]


def _named(cases: list[tuple[list[str], dict[str, Any]]]) -> list[Any]:
    return [
        pytest.param(name, facts, id=f"{name} {' '.join(f'{k}={v}' for k, v in facts.items())}")
        for names, facts in cases
        for name in names
    ]


@pytest.mark.parametrize(("name", "facts"), _named(POSSIBLE))
def test_it_is_possible(knowledge: Knowledge, name: str, facts: dict[str, Any]) -> None:
    """The technique is possible where it has what it needs."""
    assert _is_possible(knowledge.technique(name), **facts)


@pytest.mark.parametrize(("name", "facts"), _named(IMPOSSIBLE))
def test_it_is_impossible(knowledge: Knowledge, name: str, facts: dict[str, Any]) -> None:
    """The technique is ruled out where it lacks what it needs."""
    assert not _is_possible(knowledge.technique(name), **facts)


def test_every_refusal_gives_its_reason(knowledge: Knowledge) -> None:
    """Each requirement says why it stands, in a sentence, and names its source."""
    known = {source.id for source in knowledge.sources}
    wrong = [
        f"{technique.id}: {needed.because!r}"
        for technique in knowledge.techniques
        for needed in technique.requires
        if not needed.because.endswith(".") or needed.source.split(" ")[0] not in known
    ]
    assert wrong == []


def test_what_is_not_executed_says_why(knowledge: Knowledge) -> None:
    """A technique is run by an executor of this package or says in one sentence why not."""
    wrong = [t.id for t in knowledge.techniques if (t.executor is None) == (t.why_not is None)]
    assert wrong == []
