"""The answers files that ship: each gives the stack it promises."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from advisor.domain.facts import Facts
from advisor.domain.knowledge import Knowledge
from advisor.domain.recommendation import Recommendation
from advisor.engine.compile import compile_plan

SAMPLES = Path(__file__).parents[3] / "trees" / "answers"
EXPECTED = {
    "smollm2-stdlib": ("lora", "adapter-merge", "gguf"),
    "compress-max": ("structured-pruning", "response-distillation", "lora", "adapter-merge", "gguf"),
    "qlora-24gb": ("qlora", "adapter-merge", "awq"),
    "rag-stdlib": ("basic-rag",),
    "agentic-rag": ("agentic-rag",),
    "rag-citations": ("system-prompt", "basic-rag", "reranking"),
    "fp8-throughput": ("fp8",),
    "dpo": ("dpo",),
    "merge-two": ("slerp-merge",),
    "compare-stdlib": ("lora",),
    "few-shot-stdlib": ("few-shot", "structured-output"),
    "prune-distill-quantize": ("depth-pruning", "response-distillation", "gguf"),
    "distill-quantize": ("response-distillation", "gguf"),
    "prune-quantize": ("structured-pruning", "lora", "adapter-merge", "gguf"),
    "awq-stdlib": ("awq",),
    "qat-stdlib": ("qat",),
}


def sample(name: str) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((SAMPLES / f"{name}.yaml").read_text(encoding="utf-8"))
    return values


def test_every_sample_is_expected() -> None:
    """No sample without an expected stack, and no expectation without a sample."""
    assert {path.stem for path in SAMPLES.glob("*.yaml")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_sample_stack(name: str, advise: Callable[..., Recommendation]) -> None:
    """The sample gives its stack, in that order."""
    assert tuple(entry.technique for entry in advise(sample(name)).stack) == EXPECTED[name]


def test_compress_max_shows_the_disagreement(advise: Callable[..., Recommendation]) -> None:
    """The report names every side of the question of order with its source."""
    warnings = {w.code: w for w in advise(sample("compress-max")).warnings}
    sources = " ".join(warnings["prune-distill-quantize-order"].sources)
    assert all(source in sources for source in ("000", "003", "004", "arxiv-2511.19495"))


def test_compress_max_warns_of_tuning_after_pruning(advise: Callable[..., Recommendation]) -> None:
    """The matrix calls prune then finetune harmful: said, with its fix."""
    warnings = [w for w in advise(sample("compress-max")).warnings if (w.first, w.then) == ("prune", "finetune")]
    assert any(w.fix and any("000" in source for source in w.sources) for w in warnings)
    assert advise(sample("compress-max")).pipeline == "prune-distill-quantize"


def test_builtin_sample_compiles(
    knowledge: Knowledge, facts_of: Callable[[Mapping[str, Any]], Facts], advise: Callable[..., Recommendation]
) -> None:
    """The sample that runs by itself becomes three wired steps that end in an 8-bit file, within its token budget."""
    facts = facts_of(sample("smollm2-stdlib"))
    plan = compile_plan(advise(sample("smollm2-stdlib")), knowledge, facts)
    assert [step.inputs for step in plan.steps] == [
        {"model": "base"},
        {"model": "base", "adapter": "1"},
        {"model": "2"},
    ]
    assert plan.steps[-1].config == {"format": "gguf", "type": "Q8_0"}
    training = plan.steps[0].config
    tokens = training["max_steps"] * training["micro_batch"] * training["accumulation"] * training["seq_len"]
    assert tokens <= (facts.train_tokens_budget or 0)
