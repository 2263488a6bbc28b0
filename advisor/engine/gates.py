"""How much worse a step may make the model before the chain stops: by its family, and by the bits of a quantization."""

from __future__ import annotations

from advisor.domain.recommendation import StackEntry
from advisor.domain.technique import Technique
from advisor.domain.words import Family

GATES = {Family.FINETUNE: 0.05, Family.ALIGN: 0.25, Family.MERGE: 0.05, Family.PRUNE: 1.0}
"""Largest relative rise of held-out loss a step may cause. Pruning is repaired by the steps after it."""
GATE_EIGHT_BITS, GATE_FOUR_BITS = 0.05, 0.30


def gate(entry: StackEntry, technique: Technique) -> float | None:
    """The largest relative rise of what the step's gate compares; None: it has no gate."""
    if technique.family is Family.QUANTIZE:
        settings = {**technique.config, **entry.config}
        is_wide = settings.get("type") in ("Q8_0", "F16") or settings.get("bits") == 8
        is_eight = is_wide or any(word in technique.id for word in ("int8", "fp8"))
        return GATE_EIGHT_BITS if is_eight else GATE_FOUR_BITS
    return GATES.get(technique.family)
