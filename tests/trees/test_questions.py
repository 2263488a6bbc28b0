"""The decision tree of source 004, its choices and leaves, and the questions that complete an answers file."""

from __future__ import annotations

import pytest

from advisor.domain.answers import Answers
from advisor.domain.knowledge import Knowledge

TREE = {
    "1": ("goal", {"ground-knowledge": "2a", "change-behavior": "3a", "optimize": "4a", "expand-knowledge": "5a"}),
    "2a": ("knowledge", {"dynamic": "", "static": "2c", "both": ""}),
    "2c": ("static_choice", {"retrieve": "", "embed": ""}),
    "3a": ("behavior", {"quick": "", "task": "3c", "alignment": "", "tools": ""}),
    "3c": ("compute", {"limited": "", "sufficient": "", "api": ""}),
    "4a": (
        "optimize_for",
        {"memory-latency": "", "throughput": "", "parameters": "", "architecture": "", "maximum": ""},
    ),
    "5a": ("expansion", {"new-domain": "", "freshness": "", "new-language": ""}),
}
"""Section -> key, and choice -> the section it leads to (empty: a leaf that opens techniques)."""
RETRIEVAL = {"basic-rag", "hybrid-rag", "agentic-rag", "chunk-optimization", "reranking", "query-transformation"}
LEAVES = {
    ("knowledge", "dynamic"): RETRIEVAL | {"embedding-finetuning"},
    ("knowledge", "both"): RETRIEVAL | {"embedding-finetuning", "rag-aware-sft", "raft"},
    ("static_choice", "retrieve"): RETRIEVAL | {"embedding-finetuning"},
    ("static_choice", "embed"): {"domain-sft", "cpt-then-sft"},
    ("behavior", "quick"): {"zero-shot", "few-shot", "chain-of-thought", "system-prompt", "structured-output"},
    ("behavior", "alignment"): {"rlhf", "dpo", "orpo", "rlaif", "safety-sft", "kto", "grpo"},
    ("behavior", "tools"): {"function-calling-sft", "tool-use-model", "react"},
    ("compute", "limited"): {"lora", "qlora", "dora", "ia3", "bottleneck-adapter"}
    | {"prompt-tuning", "prefix-tuning", "p-tuning-v2"},
    ("compute", "sufficient"): {"full-sft", "full-rlhf", "lora"},
    ("compute", "api"): {"openai-finetune", "claude-finetune", "together-finetune"},
    ("optimize_for", "parameters"): {"magnitude-pruning", "wanda", "sparsegpt", "structured-pruning", "depth-pruning"},
    ("optimize_for", "architecture"): {
        "response-distillation",
        "feature-distillation",
        "on-policy-distillation",
        "synthetic-data-distillation",
    },
    ("expansion", "new-domain"): {"cpt", "cpt-then-instruct", "cpt-on-instruct", "dapt"},
    ("expansion", "freshness"): {"recent-cpt", "current-rag", "knowledge-editing", "temporal-tagging"},
    ("expansion", "new-language"): {"multilingual-cpt", "cross-lingual-peft", "translation-augmentation"},
}


@pytest.mark.parametrize("section", TREE)
def test_section(knowledge: Knowledge, section: str) -> None:
    """Each question of the source is asked, with every choice leading where the source says."""
    key, choices = TREE[section]
    question = next(q for q in knowledge.tree.questions if q.section == section)
    assert question.key == key
    led = {}
    for choice in question.choices:
        target = choice.opens or choice.next
        led[choice.value] = knowledge.tree.question(target).section if target else ""
        assert bool(choice.techniques) != bool(target), choice.value
    assert led == choices


@pytest.mark.parametrize(("key", "value"), LEAVES)
def test_leaf(knowledge: Knowledge, key: str, value: str) -> None:
    """Each leaf of the source opens its techniques."""
    question = next(q for q in knowledge.tree.questions if q.key == key)
    choice = next(c for c in question.choices if c.value == value)
    assert set(choice.techniques) == LEAVES[key, value]


@pytest.mark.parametrize("value", ["memory-latency", "maximum"])
def test_quantization_leaf(knowledge: Knowledge, value: str) -> None:
    """Both ways to less memory open every quantization of the source."""
    question = next(q for q in knowledge.tree.questions if q.key == "optimize_for")
    opened = next(c.techniques for c in question.choices if c.value == value)
    assert set(opened) >= {"gptq", "awq", "gguf", "bnb-int8", "bnb-nf4", "fp8"}


def test_every_question_explains_itself(knowledge: Knowledge) -> None:
    """A question says what it means and why it is asked; a choice what it means and where it comes from."""
    for question in knowledge.tree.questions:
        assert question.meaning and question.why and question.sources, question.id
        assert all(c.meaning and c.sources for c in question.choices), question.id
        if question.default is not None:
            assert question.default_why, question.id


def test_every_word_can_be_chosen(knowledge: Knowledge) -> None:
    """Every value that a closed key of the answers file may hold is a choice of its question."""
    vocabularies = {
        "goal": "goals",
        "also": "goals",
        "knowledge": "knowledge",
        "static_choice": "static_choices",
        "behavior": "behaviors",
        "compute": "compute",
        "optimize_for": "optimize_for",
        "expansion": "expansions",
        "task": "tasks",
        "model.kind": "model_kinds",
        "data.kind": "data_kinds",
        "needs": "needs",
        "serve.target": "serve_targets",
        "serve.bits": "serve_bits",
    }
    asked = {question.key: question for question in knowledge.tree.questions}
    for key, vocabulary in vocabularies.items():
        assert {str(choice.value) for choice in asked[key].choices} == set(knowledge.vocabulary[vocabulary]), key


@pytest.mark.parametrize(
    ("typed", "gpus"),
    [
        ("RTX 4090:24:2, A100:80", [("RTX 4090", 24, 2), ("A100", 80, 1)]),
        ("none", []),
        ("", None),
    ],
)
def test_typed_gpus(typed: str, gpus: list[tuple[str, float, int]] | None) -> None:
    """GPUs may be answered as text, in the form that the question names."""
    answers = Answers.model_validate({"goal": "optimize", "hardware": {"gpus": typed}})
    assert answers.hardware is not None
    said = answers.hardware.gpus
    assert (None if said is None else [(g.name, g.memory_gib, g.count) for g in said]) == gpus
