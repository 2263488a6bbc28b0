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


def judge(
    what: str, limit: float | None, before: Evaluation | None, after: Evaluation | None, on: str = LOSS
) -> Verdict:
    """Whether the metric `on` got worse by more than `limit`: relative where lower is better, as the held-out loss is,
    in its own unit where higher is better. `what` begins the sentence."""
    if limit is None or after is None:
        return Verdict()
    if any(metric.name == on and metric.higher_is_better for metric in after.metrics):
        return _judge_fall(what, limit, before, after, on)
    was, is_ = before.value(on) if before is not None else None, after.value(on)
    if was is None or is_ is None or was <= 0:
        return Verdict(is_checked=False)
    rise = is_ / was - 1
    if math.isfinite(rise) and rise <= limit:
        return Verdict()
    return Verdict(f"{what} raised the {_title(on)} from {was:.4g} to {is_:.4g}, more than the {limit:.1%} allowed")


def _judge_fall(what: str, limit: float, before: Evaluation | None, after: Evaluation, on: str) -> Verdict:
    was, is_ = before.value(on) if before is not None else None, after.value(on)
    if was is None or is_ is None:
        return Verdict(is_checked=False)
    if math.isfinite(is_) and was - is_ <= limit:
        return Verdict()
    return Verdict(f"{what} lowered the {_title(on)} from {was:.4g} to {is_:.4g}, more than the {limit:.4g} allowed")


def _title(metric: str) -> str:
    return metric.replace("_", " ").replace("held out", "held-out")


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of `after` that differ."""
    return {key: value for key, value in after.items() if before.get(key) != value}


def told(settings: Mapping[str, Any]) -> str:
    """`sparsity 0.6, pattern unstructured`."""
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in settings.items())
