"""Whatever is answered, the advice is whole: a stack that keeps to what was said, or every reason why there is none."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from advisor.domain.recommendation import Recommendation

Values = dict[str, Any]
GOALS = ("ground-knowledge", "change-behavior", "optimize", "expand-knowledge")
CHOICES: dict[str, tuple[str, ...]] = {
    "knowledge": ("dynamic", "static", "both"),
    "static_choice": ("retrieve", "embed"),
    "behavior": ("quick", "task", "alignment", "tools"),
    "compute": ("limited", "sufficient", "api"),
    "optimize_for": ("memory-latency", "throughput", "parameters", "architecture", "maximum"),
    "expansion": ("new-domain", "freshness", "new-language"),
    "task": ("classification", "retrieval", "generation", "reasoning", "code", "chat"),
}
KINDS = ("none", "documents", "text", "instructions", "qa-pairs", "preferences", "feedback", "rewards", "tool-calls")
GPUS = (("RTX 4090", 24), ("T4", 16), ("H100", 80), ("V100", 16), ("B200", 180), ("MI300X", 192), ("Unheard 9", 48))
NEEDS = ("citations", "fresh-knowledge", "private-data", "low-latency", "high-volume", "strict-format", "offline")
BEHIND_WEIGHTS = {"lora", "qlora", "full-sft", "dpo", "awq", "gptq", "gguf", "wanda", "cpt", "ties-merge"}
PROVIDERS = {"openai-finetune", "together-finetune", "claude-finetune"}
FOR_GPUS = {"awq", "gptq", "nvfp4", "bnb-nf4", "fp8"}


def _answers(seed: int) -> Values:
    pick = random.Random(seed)
    said: Values = {"goal": pick.choice(GOALS)}
    said |= {key: pick.choice(values) for key, values in CHOICES.items() if pick.random() < 0.5}
    if pick.random() < 0.3:
        said["also"] = [pick.choice([goal for goal in GOALS if goal != said["goal"]])]
    said["model"] = {"params_b": pick.choice([0.135, 1, 7, 13, 70, 671])}
    if pick.random() < 0.15:
        said["model"]["quantized"] = pick.choice(["nf4", "gptq", "gguf", "mxfp4"])
    said["data"] = {"kind": pick.choice(KINDS), "examples": pick.choice([1, 50, 500, 100_000])}
    count = pick.choice([0, 1, 1, 2, 8])
    name, gib = pick.choice(GPUS)
    gpus = [{"name": name, "memory_gib": gib, "count": count}] if count else []
    said["hardware"] = {"gpus": gpus, "ram_gib": pick.choice([16, 256]), "disk_gib": 2000}
    said["serve"] = {"target": pick.choice(["gpu", "cpu", "edge"]), "batch": pick.choice([1, 64])}
    said["needs"] = pick.sample(NEEDS, pick.choice([0, 0, 1, 2]))
    said["avoid"] = pick.sample(["lora", "awq", "basic-rag"], pick.choice([0, 0, 1]))
    return said


@pytest.mark.parametrize("first", range(0, 300, 50))
def test_advice_is_whole(first: int, advise: Callable[..., Recommendation]) -> None:
    """No answers fail: nothing ruled out or out of reach is advised, and a refusal has its reasons."""
    for seed in range(first, first + 50):
        said = _answers(seed)
        result = advise(said)
        stack = {entry.technique for entry in result.stack}
        assert len(stack) == len(result.stack) and result.feasible == bool(stack), seed
        assert result.feasible or all(refused.because for refused in result.rejected), seed
        assert not stack & set(said["avoid"]), seed
        assert said.get("compute") != "api" or not stack & BEHIND_WEIGHTS, seed
        assert "offline" not in said["needs"] or not stack & PROVIDERS, seed
        assert said["serve"]["target"] == "gpu" or not stack & FOR_GPUS, seed
