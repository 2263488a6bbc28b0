"""How long and how fast a training runs: batch, number of steps, learning rate, from the facts and the configuration.

What fits in memory is decided by `memory`; this fixes only what follows from it.
"""

from __future__ import annotations

from typing import Any

from advisor.domain.facts import Facts
from advisor.domain.technique import Technique
from advisor.domain.words import ArtifactKind

EFFECTIVE_BATCH = 8
"""Examples per optimizer step, reached by accumulation where the micro-batch is smaller."""
SMALL_MODEL_B = 1.0
SMALL_MODEL_RATE, ALL_WEIGHTS_RATE = 1e-4, 2e-5
"""Learning rates of all weights: below a billion parameters, and above (the usual one of full fine-tuning)."""
SMALL_MODEL_LORA_RATE = 1e-3
"""Adapters of models below a billion parameters bear several times the usual rate ("LoRA Without Regret")."""


def schedule(config: dict[str, Any], technique: Technique, facts: Facts) -> dict[str, Any]:
    """Accumulation, the number of steps that a token budget allows, and the learning rate of small models."""
    micro_batch, seq_len = int(config.get("micro_batch", 1)), int(config.get("seq_len", facts.data_seq_len or 512))
    accumulation = max(1, EFFECTIVE_BATCH // micro_batch)
    settings: dict[str, Any] = {"accumulation": accumulation}
    if facts.train_tokens_budget is not None:
        settings["max_steps"] = max(1, facts.train_tokens_budget // (micro_batch * accumulation * seq_len))
    if "learning_rate" not in technique.config and trains_all_weights(config):
        small = (facts.model_params_b or SMALL_MODEL_B) < SMALL_MODEL_B
        settings["learning_rate"] = SMALL_MODEL_RATE if small else ALL_WEIGHTS_RATE
        return settings
    is_small = (facts.model_params_b or SMALL_MODEL_B) < SMALL_MODEL_B
    if is_small and technique.produces is ArtifactKind.ADAPTER and "learning_rate" not in technique.config:
        settings["learning_rate"] = SMALL_MODEL_LORA_RATE
    return settings


def trains_all_weights(config: dict[str, Any]) -> bool:
    """Whether a configuration moves every weight, by its carrier or its method."""
    return config.get("carrier") == "full-sft" or config.get("method") == "full"
