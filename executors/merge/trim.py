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

    def __init__(self, threshold: float, equals: int) -> None:
        self.threshold, self._equals = threshold, equals

    def anew(self) -> Trim:
        """The same before its first part."""
        return Trim(self.threshold, self._equals)

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
    whole = vectors.whole(number)
    if whole is not None:
        sizes = np.abs(whole)
        sizes.partition(len(sizes) - kept)
        found = sizes[len(sizes) - kept]
        return Trim(float(found), kept_equals(sizes, found, kept))
    bucket, greater = _bucket(vectors, number, kept)
    inside = []
    for part in vectors.parts():
        sizes = np.abs(vectors.values(part, only=number)[0])
        inside.append(sizes[sizes.view(np.uint32) >> _SHIFT == bucket])
    candidates = np.concatenate(inside)
    wanted = kept - greater
    candidates.partition(len(candidates) - wanted)
    found = candidates[len(candidates) - wanted]
    return Trim(float(found), kept_equals(candidates, found, wanted))


def kept_equals(sizes: Array, threshold: float, kept: int) -> int:
    """How many of the entries that equal the threshold are dropped, so that exactly `kept` stay."""
    return int((sizes >= threshold).sum()) - kept


def kept_norm(vectors: Vectors, number: int, trim: Trim) -> float:
    """What a trimmed task vector is multiplied by to have its L1 norm again."""
    import numpy as np

    before, after, fresh = 0.0, 0.0, trim.anew()
    for part in vectors.parts():
        vector = vectors.values(part, only=number)[0]
        before += float(np.abs(vector).sum(dtype=np.float64))
        after += float(np.abs(fresh.cut(vector)).sum(dtype=np.float64))
    return before / after if after else 1.0


def _bucket(vectors: Vectors, number: int, kept: int) -> tuple[int, int]:
    """The bucket in which the smallest entry that is kept lies, and how many entries lie above it."""
    import numpy as np

    counts: Array = np.zeros(1 << (32 - _SHIFT), np.int64)
    for part in vectors.parts():
        sizes = np.abs(vectors.values(part, only=number)[0])
        counts += np.bincount(sizes.view(np.uint32) >> _SHIFT, minlength=len(counts))
    above = counts[::-1].cumsum()[::-1]
    bucket = int(np.flatnonzero(above >= kept)[-1])
    return bucket, int(above[bucket + 1]) if bucket + 1 < len(above) else 0
