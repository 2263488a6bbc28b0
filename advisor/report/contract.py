"""The recommendation as the JSON that other programs read (contract section 3). Loads nothing that only text needs."""

from __future__ import annotations

import json
from typing import Any

from advisor.domain.recommendation import Recommendation

ZERO = {"low": 0.0, "expected": 0.0, "high": 0.0}


def to_json(recommendation: Recommendation) -> str:
    """The report as indented JSON. Identical input gives identical bytes."""
    return json.dumps(as_json(recommendation), indent=2, ensure_ascii=False) + "\n"


def as_json(recommendation: Recommendation) -> dict[str, Any]:
    """The contract's report: memory that does not apply is 0, what is not known is an empty object."""
    data = recommendation.model_dump(mode="json", by_alias=True)
    for entry in data["stack"]:
        estimate = entry["estimate"]
        estimate["gpu_gib"] = estimate["gpu_gib"] or ZERO
        for key in ("ram_gib", "disk_gib", "seconds", "terms"):
            estimate[key] = estimate[key] or {}
        change = estimate["quality"]
        estimate["quality"] = {**(change.pop("range") or {}), **change}
    return data
