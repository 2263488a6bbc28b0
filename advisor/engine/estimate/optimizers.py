"""Optimizers: bytes of state per trained parameter."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from advisor.domain.errors import AdvisorError
from advisor.engine.estimate import constants as c


class Optimizer(NamedTuple):
    """State of one trained parameter: so many values of the parameters' state type, and so many bytes beside."""

    states: float
    fixed_bytes: float = 0.0
    is_paged: bool = False
    """States live in managed memory, outside torch's allocator, and may be evicted to the host."""
    is_factored: bool = False
    """Rows and columns instead of one value per parameter."""


OPTIMIZERS: dict[str, Optimizer] = {
    "adamw": Optimizer(2),
    "paged-adamw": Optimizer(2, is_paged=True),
    "adamw-8bit": Optimizer(0, 2 * c.ADAM_8BIT_BYTES),
    "paged-adamw-8bit": Optimizer(0, 2 * c.ADAM_8BIT_BYTES, is_paged=True),
    "adamw-4bit": Optimizer(0, 2 * c.ADAM_4BIT_BYTES),
    "sgd": Optimizer(0),
    "sgd-momentum": Optimizer(1),
    "adafactor": Optimizer(0, is_factored=True),
    "lion": Optimizer(1),
    "lion-8bit": Optimizer(0, c.ADAM_8BIT_BYTES),
}
ALIASES = {
    "adam": "adamw",
    "adamw-torch": "adamw",
    "adamw-torch-fused": "adamw",
    "adamw-fused": "adamw",
    "adamw-hf": "adamw",
    "adamw-bnb-8bit": "adamw-8bit",
    "adamw8bit": "adamw-8bit",
    "adam-8bit": "adamw-8bit",
    "paged-adamw-32bit": "paged-adamw",
    "adamw-torch-8bit": "adamw-8bit",
    "adamw-torch-4bit": "adamw-4bit",
    "momentum": "sgd-momentum",
}


@lru_cache(maxsize=64)
def optimizer_of(name: str) -> Optimizer:
    """The traits of an optimizer. Raises `AdvisorError` naming the nearest known one."""
    word = name.strip().lower().replace("_", "-").replace(" ", "-")
    word = ALIASES.get(word, word)
    if word in OPTIMIZERS:
        return OPTIMIZERS[word]
    import difflib

    close = difflib.get_close_matches(word, [*OPTIMIZERS, *ALIASES], n=1, cutoff=0.4)
    hint = f"did you mean {close[0]!r}?" if close else f"one of: {', '.join(OPTIMIZERS)}"
    raise AdvisorError(f"unknown optimizer {name!r}", hint=hint)
