"""How an objective is trained: through an adapter, an adapter over 4-bit weights, or with all weights.

DPO, supervised tuning on a domain or continued pre-training say what is learned; the carrier says which weights move.
It ranks carriers only; whether one fits is decided by `memory`.
"""

from __future__ import annotations

from advisor.domain.facts import Facts
from advisor.domain.technique import Technique
from advisor.domain.words import ArtifactKind, Family

Carrier = str
"""`lora`, `qlora`, `full-sft`: a technique id of its own."""

METHODS = {"lora": "lora", "qlora": "qlora", "full-sft": "full"}
"""What executors of training call a carrier."""
PREFIXES = frozenset({"prefix-tuning", "p-tuning-v2"})
"""Methods whose prefix lies in the cache of every layer, which a layer under gradient checkpointing drops."""
_ALL_WEIGHTS = frozenset({"full-sft", "full-rlhf", "qat"})
"""Techniques that are about training every weight."""
_ADAPTERS_ONLY = frozenset({"cross-lingual-peft"})
_TRAINED = frozenset({Family.FINETUNE, Family.ALIGN, Family.PRETRAIN, Family.DISTILL})
LARGE_DATA = 100_000
"""Examples from which all weights are trained where that fits (source 002, section 2.2)."""


def is_training(technique: Technique) -> bool:
    """Whether it runs a training loop on the model."""
    return (technique.family in _TRAINED or technique.id == "qat") and technique.estimate_method is not None


def is_adapter(technique: Technique) -> bool:
    """Whether it is an adapter method itself, and so needs no carrier."""
    return technique.produces is ArtifactKind.ADAPTER and technique.group in ("adapters", "soft-prompts")


def carriers(technique: Technique, facts: Facts) -> tuple[Carrier | None, ...]:
    """Ways to train it, the preferred first. None: the technique is its own way."""
    if is_adapter(technique):
        return (None,)
    if technique.id in _ALL_WEIGHTS:
        return ("full-sft",) if facts.model_quantized is None else ()
    if facts.model_quantized is not None:
        return ("qlora",)
    if technique.id in _ADAPTERS_ONLY:
        return ("lora", "qlora")
    has_compute = facts.compute == "sufficient" or (facts.data_examples or 0) >= LARGE_DATA
    if technique.family in (Family.PRETRAIN, Family.DISTILL) or (has_compute and facts.compute != "limited"):
        return ("full-sft", "lora", "qlora")
    return ("lora", "qlora")


def method_of(technique: Technique, carrier: Carrier | None) -> str:
    """The `method` of an estimate request: `dpo` carried by QLoRA is `dpo-qlora`."""
    base = (technique.estimate_method or "full").removesuffix("-qlora").removesuffix("-lora")
    if carrier is None:
        return technique.estimate_method or "full"
    if carrier == "full-sft":
        return "full" if base in ("lora", "qlora") else base
    if base in ("full", "pretrain", "lora", "qlora"):
        return carrier
    return f"{base}-{carrier}"
