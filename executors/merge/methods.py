"""Ways of making one tensor of several, in 32 bits, a part at a time: nothing here holds a tensor whole.

Linear: Wortsman et al. 2022, arXiv 2203.05482; on task vectors it is task arithmetic: Ilharco et al. 2022,
arXiv 2212.04089. SLERP: Shoemake 1985. TIES: Yadav et al. 2023, arXiv 2306.01708, section 3: trim, elect signs, merge.
DARE: Yu et al. 2023, arXiv 2311.03099: drop and rescale.
Adding a method is one function of type `Method` and its entry in `METHODS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import acos, sin
from typing import TYPE_CHECKING, Any, Literal

from executors.merge.trim import Trim, find_trim, kept_norm
from executors.merge.vectors import Vectors

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

NEARLY_PARALLEL = 0.9995
"""Cosine above which the arc is so flat that a straight line is as good and more exact."""
_DICE = 1 << 16
"""Entries are kept by chance in steps of 1 / 65536; they are scaled by what the step makes of the density."""


@dataclass(frozen=True)
class Mix:
    """How the models are weighed, for one tensor."""

    weights: Sequence[float]
    densities: Sequence[float] = ()
    """Share of each task vector that is kept; all of it when not given."""
    at: float = 0.5
    """Position between the first and the second model."""
    is_normalized: bool = True
    """Divide by the sum of the weights that count."""
    scale: float = 1.0
    """What the mixed task vector is multiplied by before it is added to the base."""
    rescale: Literal["none", "probability", "norm"] = "none"
    """How a thinned task vector is scaled up: not, by 1 / density, or until its L1 norm is what it was."""
    seed: int = 0
    """Of what is drawn for this tensor."""


Method = Callable[[Vectors, Mix], "Iterator[tuple[slice, Array]]"]
"""Vectors, mix -> the merged tensor in parts that follow each other."""


def linear(vectors: Vectors, mix: Mix) -> Iterator[tuple[slice, Array]]:
    """The weighted mean of the models; with a base, the base plus the weighed task vectors."""
    divisor = _divisor(mix)
    for part in vectors.parts():
        total = _weighed_sum(vectors.values(part), mix.weights)
        if divisor != 1:
            total /= divisor
        yield part, _on_base(vectors, part, total, mix.scale)


def slerp(vectors: Vectors, mix: Mix) -> Iterator[tuple[slice, Array]]:
    """Along the arc between two models (or task vectors), taken as directions."""
    import numpy as np

    dot = first = second = 0.0
    for part in vectors.parts():
        a, b = vectors.values(part)
        dot += float(np.dot(a, b))
        first += float(np.dot(a, a))
        second += float(np.dot(b, b))
    shares = slerp_shares(dot, first**0.5, second**0.5, mix.at)
    for part in vectors.parts():
        yield part, _on_base(vectors, part, _weighed_sum(vectors.values(part), shares), mix.scale)


def ties(vectors: Vectors, mix: Mix) -> Iterator[tuple[slice, Array]]:
    """Trim each task vector to its largest entries, elect the sign of each entry, average those that agree."""
    trims = [find_trim(vectors, number, density) for number, density in enumerate(_densities(vectors, mix))]
    factors = [kept_norm(vectors, n, t) if mix.rescale == "norm" else 1.0 for n, t in enumerate(trims)]
    return _elected(
        vectors, mix, lambda part: [t.cut(d) for t, d in zip(trims, vectors.values(part), strict=True)], factors
    )


def dare_linear(vectors: Vectors, mix: Mix) -> Iterator[tuple[slice, Array]]:
    """Drop entries of each task vector at random, scale up the rest, add them weighed."""
    drops = _drops(vectors, mix)
    divisor = _divisor(mix)
    for part in vectors.parts():
        weights = [w * drop.factor for w, drop in zip(mix.weights, drops, strict=True)]
        total = _weighed_sum([d.cut(v) for d, v in zip(drops, vectors.values(part), strict=True)], weights)
        if divisor != 1:
            total /= divisor
        yield part, _on_base(vectors, part, total, mix.scale)


def dare_ties(vectors: Vectors, mix: Mix) -> Iterator[tuple[slice, Array]]:
    """Drop and scale up as in DARE, then add those that agree with the elected sign."""
    drops = _drops(vectors, mix)
    factors = [drop.factor for drop in drops]
    return _elected(
        vectors, mix, lambda part: [d.cut(v) for d, v in zip(drops, vectors.values(part), strict=True)], factors
    )


METHODS: dict[str, Method] = {
    "linear": linear,
    "slerp": slerp,
    "task-arithmetic": linear,
    "ties": ties,
    "dare-linear": dare_linear,
    "dare-ties": dare_ties,
}
WITH_BASE = frozenset({"task-arithmetic", "ties", "dare-linear", "dare-ties"})
"""Methods that always work on differences from a common base."""


def slerp_shares(dot: float, first: float, second: float, at: float) -> tuple[float, float]:
    """How much of each of two vectors lies at `at` of the arc between them, from their product and lengths."""
    cosine = max(-1.0, min(1.0, dot / (first * second))) if first and second else 1.0
    if abs(cosine) > NEARLY_PARALLEL:
        return 1 - at, at
    angle = acos(cosine)
    return sin((1 - at) * angle) / sin(angle), sin(at * angle) / sin(angle)


class Drop:
    """Which entries of one task vector are dropped, drawn part by part in their order."""

    def __init__(self, seed: int, density: float, factor: float) -> None:
        import numpy as np

        self.factor = factor
        self._kept = round(density * _DICE)
        self._draw = np.random.SFC64(seed)

    def cut(self, vector: Array) -> Array:
        """The next part of the vector with what is dropped set to zero."""
        import numpy as np

        if self._kept >= _DICE:
            return vector
        drawn = self._draw.random_raw(-(-vector.size // 4)).view(np.uint16)[: vector.size]
        return vector * (drawn < self._kept)


def _drops(vectors: Vectors, mix: Mix) -> list[Drop]:
    import numpy as np

    found = []
    for number, density in enumerate(_densities(vectors, mix)):
        seed, factor = mix.seed + number, 1.0
        if mix.rescale == "probability":
            factor = _DICE / max(1, round(density * _DICE))
        elif mix.rescale == "norm":
            drop, before, after = Drop(seed, density, 1.0), 0.0, 0.0
            for part in vectors.parts():
                vector = vectors.values(part, only=number)[0]
                before += float(np.abs(vector).sum(dtype=np.float64))
                after += float(np.abs(drop.cut(vector)).sum(dtype=np.float64))
            factor = before / after if after else 1.0
        found.append(Drop(seed, density, factor))
    return found


def _elected(
    vectors: Vectors, mix: Mix, thin: Callable[[slice], Sequence[Array]], factors: Sequence[float]
) -> Iterator[tuple[slice, Array]]:
    """The sum (or mean) over models of the weighed entries whose sign is that of the weighed total, on the base."""
    for part in vectors.parts():
        weighed = [v * (w * f) for v, w, f in zip(thin(part), mix.weights, factors, strict=True)]
        yield part, _on_base(vectors, part, agreeing(weighed, mix.weights, mix.is_normalized), mix.scale)


def agreeing(weighed: Sequence[Array], weights: Sequence[float], is_normalized: bool) -> Array:
    """Of weighed task vectors, entry by entry, the sum of those that have the sign of the total, or their mean.

    A total of zero elects plus, as the reference implementation does.
    """
    import numpy as np

    elected = np.copysign(np.float32(1), sum(weighed[1:], weighed[0]))
    total, is_equal = np.zeros_like(elected), len(set(weights)) == 1
    # Of equal weights only the number counts, and small numbers are added fastest.
    divisor = np.zeros(total.size, np.uint8 if is_equal else np.float32)
    for entry, weight in zip(weighed, weights, strict=True):
        towards = entry * elected
        if is_normalized:
            divisor += towards > 0 if is_equal else (towards > 0) * np.float32(weight)
        total += np.maximum(towards, 0, out=towards)
    total *= elected
    if is_normalized:
        shared = divisor * np.float32(weights[0]) if is_equal else divisor
        shared[shared == 0] = 1
        total /= shared
    return total


def _weighed_sum(values: Sequence[Array], weights: Sequence[float]) -> Array:
    import numpy as np

    total: Array = values[0] * np.float32(weights[0])
    for value, weight in zip(values[1:], weights[1:], strict=True):
        total += value * np.float32(weight)
    return total


def _on_base(vectors: Vectors, part: slice, mixed: Array, scale: float) -> Array:
    if not vectors.has_base:
        return mixed
    if scale != 1:
        mixed *= scale
    mixed += vectors.base(part)
    return mixed


def _densities(vectors: Vectors, mix: Mix) -> Sequence[float]:
    return mix.densities or (1.0,) * vectors.count


def _divisor(mix: Mix) -> float:
    total = sum(mix.weights) if mix.is_normalized else 1.0
    return total if abs(total) > 1e-8 else 1.0


__all__ = ["METHODS", "WITH_BASE", "Drop", "Method", "Mix", "Trim", "agreeing", "slerp_shares"]
