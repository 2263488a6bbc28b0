"""Which entries of a task vector TIES keeps: exactly the largest, found in two readings without holding the vector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from executors.merge.vectors import Vectors

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

_SHIFT = 16
"""A size is first counted by the upper 16 bits of its number: sign left out, they order as the numbers do."""


class Trim:
    """Cuts a vector part by part in order: entries below `threshold` become zero, and the first `equals` equal ones."""

    def __init__(self, threshold: float, equals: int, norm_factor: float = 1.0) -> None:
        self.threshold, self._equals = threshold, equals
        self.norm_factor = norm_factor
        """What restores the L1 norm of the whole vector."""

    def cut(self, vector: Array) -> Array:
        """The next part of the vector, trimmed."""
        import numpy as np

        sizes = np.abs(vector)
        kept = sizes >= self.threshold
        if self._equals:
            equal = np.flatnonzero(sizes == self.threshold)[: self._equals]
            kept[equal] = False
            self._equals -= len(equal)
        cut: Array = vector * kept
        return cut


def find_trim(vectors: Vectors, number: int, density: float) -> Trim:
    """The trim of one task vector that keeps int(size * density) entries, at least one; of equals the later ones."""
    import numpy as np

    kept = max(1, int(vectors.size * density))
    if kept >= vectors.size:
        return Trim(0.0, 0)
    counts: Array = np.zeros(1 << (32 - _SHIFT), np.int64)
    before = 0.0
    for part in vectors.parts():
        sizes = np.abs(vectors.values(part, only=number)[0])
        before += float(sizes.sum(dtype=np.float64))
        counts += np.bincount(sizes.view(np.uint32) >> _SHIFT, minlength=len(counts))
    above = counts[::-1].cumsum()[::-1]
    # The bucket in which the smallest entry that is kept lies.
    bucket = int(np.flatnonzero(above >= kept)[-1])
    greater = int(above[bucket + 1]) if bucket + 1 < len(above) else 0
    inside, after = [], 0.0
    for part in vectors.parts():
        sizes = np.abs(vectors.values(part, only=number)[0])
        buckets = sizes.view(np.uint32) >> _SHIFT
        inside.append(sizes[buckets == bucket])
        after += float(sizes[buckets > bucket].sum(dtype=np.float64))
    candidates = np.sort(np.concatenate(inside))
    wanted = kept - greater
    threshold = float(candidates[len(candidates) - wanted])
    equal = int((candidates == candidates[len(candidates) - wanted]).sum())
    larger = int((candidates > candidates[len(candidates) - wanted]).sum())
    after += float(candidates[len(candidates) - wanted :].sum(dtype=np.float64))
    return Trim(threshold, equal - (wanted - larger), before / after if after else 1.0)
