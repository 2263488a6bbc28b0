"""Ways of making one tensor of several: plain tensor functions without input or output, all in 32 bits.

Linear: Wortsman et al. 2022, arXiv 2203.05482. SLERP: Shoemake 1985. TIES: Yadav et al. 2023, arXiv 2306.01708,
section 3: trim, elect signs, merge. DARE: Yu et al. 2023, arXiv 2311.03099: drop and rescale.
Adding a method is one function of type `Method` and its entry in `METHODS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from executors.tensors.select import keep_highest

if TYPE_CHECKING:
    import torch

NEARLY_PARALLEL = 0.9995
"""Cosine above which the arc is so flat that a straight line is as good and more exact."""


@dataclass(frozen=True)
class Mix:
    """How the models are weighed. `generator` is used by methods that draw at random."""

    weights: Sequence[float]
    density: float = 1.0
    """Share of each task vector that is kept."""
    at: float = 0.5
    """Position between the first and the second model."""
    generator: torch.Generator | None = None


Method = Callable[["torch.Tensor | None", "list[torch.Tensor]", Mix], "torch.Tensor"]
"""Base (for task vectors), models, mix -> merged, in 32 bits."""


def linear(base: torch.Tensor | None, models: list[torch.Tensor], mix: Mix) -> torch.Tensor:
    """The weighted mean."""
    import torch

    total = torch.zeros_like(models[0], dtype=torch.float32)
    for model, weight in zip(models, mix.weights, strict=True):
        total.add_(model.float(), alpha=weight)
    return total / sum(mix.weights)


def slerp(base: torch.Tensor | None, models: list[torch.Tensor], mix: Mix) -> torch.Tensor:
    """Along the arc between two models, taken as directions; a straight line where they are nearly parallel."""
    first, second = (model.float() for model in models)
    lengths = float(first.norm()) * float(second.norm())
    cosine = float((first * second).sum()) / lengths if lengths else 1.0
    if abs(cosine) > NEARLY_PARALLEL:
        return (1 - mix.at) * first + mix.at * second
    from math import acos, sin

    angle = acos(cosine)
    near, far = sin((1 - mix.at) * angle) / sin(angle), sin(mix.at * angle) / sin(angle)
    return near * first + far * second


def ties(base: torch.Tensor | None, models: list[torch.Tensor], mix: Mix) -> torch.Tensor:
    """Trim each task vector to its largest entries, elect the sign of each entry, average those that agree."""
    original = _base(base)
    deltas = [trimmed(model.float() - original, mix.density) for model in models]
    return original + _agreeing(deltas, mix.weights, is_averaged=True)


def dare_linear(base: torch.Tensor | None, models: list[torch.Tensor], mix: Mix) -> torch.Tensor:
    """Drop entries of each task vector at random, scale up the rest, add them weighed."""
    original = _base(base)
    result = original.clone()
    for model, weight in zip(models, mix.weights, strict=True):
        result.add_(dropped(model.float() - original, mix), alpha=weight)
    return result


def dare_ties(base: torch.Tensor | None, models: list[torch.Tensor], mix: Mix) -> torch.Tensor:
    """Drop and scale up as in DARE, then add those that agree with the elected sign."""
    original = _base(base)
    deltas = [dropped(model.float() - original, mix) for model in models]
    return original + _agreeing(deltas, mix.weights, is_averaged=False)


METHODS: dict[str, Method] = {
    "linear": linear,
    "slerp": slerp,
    "ties": ties,
    "dare-linear": dare_linear,
    "dare-ties": dare_ties,
}
WITH_BASE = frozenset({"ties", "dare-linear", "dare-ties"})
"""Methods that work on differences from a common base."""


def trimmed(delta: torch.Tensor, density: float) -> torch.Tensor:
    """The task vector with only its largest int(count * density) entries."""
    drop = delta.numel() - int(delta.numel() * density)
    return delta * keep_highest(delta.abs().reshape(1, -1), drop).reshape(delta.shape)


def dropped(delta: torch.Tensor, mix: Mix) -> torch.Tensor:
    """The task vector with each entry kept by chance `density` and scaled by its inverse."""
    import torch

    kept = torch.rand(delta.shape, generator=mix.generator) < mix.density
    return delta * kept / mix.density


def _agreeing(deltas: list[torch.Tensor], weights: Sequence[float], is_averaged: bool) -> torch.Tensor:
    """The sum over models of the weighed entries whose sign is that of the weighed total; or their mean."""
    import torch

    weighed = [delta * weight for delta, weight in zip(deltas, weights, strict=True)]
    # A total of zero elects plus, as the reference implementation does.
    elected = torch.where(sum(weighed[1:], weighed[0]) >= 0, 1.0, -1.0)
    total, divisor = torch.zeros_like(elected), torch.zeros_like(elected)
    for entry, weight in zip(weighed, weights, strict=True):
        agrees = entry.sign() == elected
        total += entry * agrees
        divisor += agrees * weight
    return total / divisor.where(divisor != 0, torch.ones_like(divisor)) if is_averaged else total


def _base(base: torch.Tensor | None) -> torch.Tensor:
    assert base is not None
    return base.float()
