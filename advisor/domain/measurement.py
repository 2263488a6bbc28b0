"""`Measurement`: predicted and measured of one finished step; `Correction`: what several of them say together."""

import hashlib
import json
from typing import Any, Literal

from pydantic import Field

from advisor.domain.base import Frozen, Lenient

Quantity = Literal["ram_gib", "gpu_gib", "seconds"]


class Measurement(Lenient):
    """One line of `measurements.jsonl`. Predicted figures are the formulas' own, without earlier corrections."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    machine: str
    """Identity of the machine (`advisor.probe.calibration`)."""
    run: str
    """Digest of run and step: a step is counted once, however often its report is written."""
    technique: str
    family: str
    method: str
    version: int
    calibration: str = ""
    params: int = Field(default=0, ge=0)
    tokens: float = Field(default=0.0, ge=0)
    predicted: dict[Quantity, float] = Field(default_factory=dict)
    measured: dict[Quantity, float] = Field(default_factory=dict)


class Correction(Frozen):
    """Measured over predicted, for one quantity of one kind of step."""

    scope: str
    """An estimate method (`lora`), or a family (`finetune`) for methods that were never measured themselves."""
    quantity: Quantity
    ratio: float = Field(gt=0)
    """Weighted median of measured over predicted, clamped."""
    runs: int = Field(ge=1)


def settings_digest(config: dict[str, Any], model: str) -> str:
    """Short digest of a step's configuration and model. Of paths only the name counts: a run makes them absolute."""
    named = json.dumps(_named({**config, "model": {"path": model}}), sort_keys=True)
    return hashlib.sha256(named.encode()).hexdigest()[:12]


def _named(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {
        key: inner.rstrip("/").rsplit("/", 1)[-1] if key == "path" and isinstance(inner, str) else _named(inner)
        for key, inner in value.items()
    }
