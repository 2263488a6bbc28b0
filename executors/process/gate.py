"""What a gate says of a step. Pure: no file, no process."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from advisor.domain.run import Evaluation

LOSS = "held_out_loss"


@dataclass(frozen=True)
class Verdict:
    """`reason`: why the gate refuses, or nothing. `is_checked`: False when there was nothing to compare."""

    reason: str = ""
    is_checked: bool = True


def judge(what: str, limit: float | None, before: Evaluation | None, after: Evaluation | None) -> Verdict:
    """Whether the held-out loss rose by more than `limit` (relative). `what` begins the sentence."""
    if limit is None or after is None:
        return Verdict()
    was, is_ = before.value(LOSS) if before is not None else None, after.value(LOSS)
    if was is None or is_ is None or was <= 0:
        return Verdict(is_checked=False)
    rise = is_ / was - 1
    if math.isfinite(rise) and rise <= limit:
        return Verdict()
    return Verdict(f"{what} raised the held-out loss from {was:.4g} to {is_:.4g}, more than the {limit:.1%} allowed")


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of `after` that differ."""
    return {key: value for key, value in after.items() if before.get(key) != value}


def told(settings: Mapping[str, Any]) -> str:
    """`sparsity 0.6, pattern unstructured`."""
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in settings.items())
