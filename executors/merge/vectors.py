"""The tensors that are merged, as 32-bit vectors that are read a part at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from executors.merge.arrays import Files, size_of
from executors.tensors.header import TensorInfo

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

PART = 1 << 17
"""Numbers in a part: a few of them stay in a core's own cache."""
KEPT = 1 << 22
"""A tensor of at most so many numbers is read and subtracted once, and kept while it is merged."""


class Vectors(Protocol):
    """One tensor of every model. With a base, `values` are the differences from it: the task vectors."""

    count: int
    """Models, the base left out."""
    size: int
    """Numbers in each."""
    has_base: bool

    def parts(self) -> Iterator[slice]: ...

    def values(self, part: slice, only: int | None = None) -> list[Array]: ...

    def base(self, part: slice) -> Array: ...

    def whole(self, number: int) -> Array | None:
        """All of what `values` gives of one model where it stands in memory, else None."""
        ...


class Held:
    """Vectors in memory."""

    def __init__(self, models: Sequence[Array], base: Array | None = None, part: int = PART) -> None:
        flat = [model.reshape(-1) for model in models]
        self._base = base.reshape(-1) if base is not None else None
        self._values = [v - self._base for v in flat] if self._base is not None else flat
        self._part = part
        self.count, self.size, self.has_base = len(flat), flat[0].size, base is not None

    def parts(self) -> Iterator[slice]:
        return _parts(self.size, self._part)

    def values(self, part: slice, only: int | None = None) -> list[Array]:
        chosen = self._values if only is None else [self._values[only]]
        return [vector[part] for vector in chosen]

    def base(self, part: slice) -> Array:
        assert self._base is not None
        found: Array = self._base[part]
        return found

    def whole(self, number: int) -> Array | None:
        return self._values[number]


class Stored:
    """Vectors in weight files; nothing of them is held."""

    def __init__(self, files: Files, models: Sequence[TensorInfo], base: TensorInfo | None) -> None:
        self._files, self._models, self._base = files, models, base
        self.count, self.size, self.has_base = len(models), size_of(models[0]), base is not None

    def parts(self) -> Iterator[slice]:
        return _parts(self.size, PART)

    def values(self, part: slice, only: int | None = None) -> list[Array]:
        chosen = self._models if only is None else [self._models[only]]
        values = [self._read(info, part) for info in chosen]
        if self._base is None:
            return values
        base = self.base(part)
        return [_minus(value, base) for value in values]

    def base(self, part: slice) -> Array:
        assert self._base is not None
        return self._read(self._base, part)

    def whole(self, number: int) -> Array | None:
        return None

    def _read(self, info: TensorInfo, part: slice) -> Array:
        return self._files.read(info, part.start, part.stop - part.start)


def open_vectors(files: Files, models: Sequence[TensorInfo], base: TensorInfo | None) -> Vectors:
    """Small tensors are read at once, large ones part by part as often as they are needed."""
    stored = Stored(files, models, base)
    if stored.size > KEPT:
        return stored
    whole = slice(0, stored.size)
    read = [files.read(info, 0, stored.size) for info in models]
    return Held(read, stored.base(whole) if base is not None else None)


def _minus(value: Array, base: Array) -> Array:
    # A file of 32-bit numbers is read into memory of its own, so that it may be changed.
    value -= base
    return value


def _parts(size: int, step: int) -> Iterator[slice]:
    for start in range(0, size, step):
        yield slice(start, min(size, start + step))
