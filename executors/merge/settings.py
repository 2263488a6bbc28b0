"""A setting of a merge: one number, a curve over the layers, or different ones for different tensors.

The forms are those of mergekit's configuration files: numbers in a list are joined by straight lines from the first
layer to the last, and of several entries with a `filter` the first counts that is part of the tensor's name.
"""

from __future__ import annotations

import re

from pydantic import Field

from advisor.domain.base import Frozen

_LAYER = re.compile(r"\.layers\.(\d+)\.")


class Filtered(Frozen):
    """A value for tensors whose name holds `filter`; for all without it."""

    filter: str | None = None
    value: float | tuple[float, ...] = Field(union_mode="left_to_right")


Setting = float | tuple[float, ...] | tuple[Filtered, ...]


def value_of(setting: Setting, name: str, layers: int) -> float:
    """The number for a tensor of a model with that many layers. Raises ValueError when no entry is for it."""
    if isinstance(setting, int | float):
        return float(setting)
    if not setting:
        raise ValueError("an empty list")
    first = setting[0]
    if isinstance(first, Filtered):
        for entry in setting:
            if isinstance(entry, Filtered) and (entry.filter in (None, "*") or str(entry.filter) in name):
                return value_of(entry.value, name, layers)
        raise ValueError(f"no entry without a filter, and none is for {name}")
    points = [float(point) for point in setting if not isinstance(point, Filtered)]
    place = position(name, layers) * (len(points) - 1)
    lower = min(int(place), len(points) - 1)
    upper = min(lower + 1, len(points) - 1)
    return points[lower] + (place - lower) * (points[upper] - points[lower])


def position(name: str, layers: int) -> float:
    """0 for tensors of the first layer and outside of the layers, 1 for those of the last."""
    found = _LAYER.search(name)
    return int(found[1]) / (layers - 1) if found and layers > 1 else 0.0


def numbers_in(setting: Setting) -> list[float]:
    """Every number a setting names."""
    if isinstance(setting, int | float):
        return [float(setting)]
    return [number for part in setting for number in numbers_in(part.value if isinstance(part, Filtered) else part)]
