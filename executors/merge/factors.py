"""Low-rank updates as two factors: their sums, products and truncations. Plain numpy, in 32 bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from executors.merge.methods import slerp_shares

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

_MARGIN = 16
"""Directions looked at beyond those that are kept."""
_ROUNDS = 3


@dataclass(frozen=True)
class Factors:
    """The update b a: a [rank, in], b [out, rank]."""

    a: Array
    b: Array

    @property
    def rank(self) -> int:
        return int(self.a.shape[0])

    @property
    def shape(self) -> tuple[int, int]:
        return int(self.b.shape[0]), int(self.a.shape[1])


def product(factors: Factors) -> Array:
    """The update [out, in] itself."""
    found: Array = factors.b @ factors.a
    return found


def joined(pairs: Sequence[tuple[Factors, float]]) -> Factors:
    """The sum of updates, each times its number, exactly: factors side by side."""
    import numpy as np

    a = np.concatenate([factors.a for factors, _ in pairs])
    b = np.concatenate([factors.b * np.float32(share) for factors, share in pairs], axis=1)
    return Factors(np.ascontiguousarray(a), np.ascontiguousarray(b))


def shares_on_arc(given: Sequence[Factors | None], at: float) -> list[float]:
    """What SLERP multiplies two updates by; their product and lengths come from the factors alone."""
    first, second = given

    def dot(x: Factors | None, y: Factors | None) -> float:
        return float(((x.b.T @ y.b) * (x.a @ y.a.T)).sum()) if x is not None and y is not None else 0.0

    lengths = [max(0.0, dot(factors, factors)) ** 0.5 for factors in given]
    return list(slerp_shares(dot(first, second), lengths[0], lengths[1], at))


def truncated(delta: Array, rank: int) -> tuple[Factors, float, float]:
    """The nearest update of that rank, the squared norm of what it misses, and the squared norm of `delta`.

    By the largest singular values: exactly where few are left out, else on a subspace found by power iteration
    (Halko, Martinsson and Tropp 2011, arXiv 0909.4061, algorithm 4.4).
    """
    import numpy as np

    rank = min(rank, *delta.shape)
    if 2 * (rank + _MARGIN) < min(delta.shape):
        space = np.random.default_rng(0).standard_normal((delta.shape[1], rank + _MARGIN), np.float32)
        basis, _ = np.linalg.qr(delta @ space)
        for _ in range(_ROUNDS):
            basis, _ = np.linalg.qr(delta @ (delta.T @ basis))
        left, sizes, right = np.linalg.svd(basis.T @ delta, full_matrices=False)
        left = basis @ left
    else:
        left, sizes, right = np.linalg.svd(delta, full_matrices=False)
    root = np.sqrt(sizes[:rank]).astype(np.float32)
    found = Factors(np.ascontiguousarray(root[:, None] * right[:rank]), np.ascontiguousarray(left[:, :rank] * root))
    missing = float(np.square(delta - product(found), dtype=np.float64).sum())
    return found, missing, float(np.square(delta, dtype=np.float64).sum())
