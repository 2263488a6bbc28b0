"""Stored tensors as 32-bit numbers, a part at a time, and back. numpy only: a merge never waits for torch to load.

bf16 is the upper half of a 32-bit float: reading is exact, writing rounds to nearest, ties to even, as torch does.
"""

from __future__ import annotations

import os
import threading
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advisor.domain.errors import AdvisorError
from executors.tensors.header import ITEM_BYTES, TensorInfo

if TYPE_CHECKING:
    import numpy as np

FLOATS = frozenset({"F64", "F32", "F16", "BF16"})
"""Stored types that can be mixed."""
_STORED = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "uint16"}


class Files:
    """Open weight files. Reads are safe from any thread."""

    def __init__(self) -> None:
        self._descriptors: dict[Path, int] = {}
        self._lock = threading.Lock()

    def read(self, info: TensorInfo, start: int, count: int) -> np.ndarray[Any, Any]:
        """`count` numbers of a tensor from number `start` on, in 32 bits. Raises AdvisorError for a short file."""
        import numpy as np

        return widen(self.read_raw(info, start, count).view(np.dtype(_STORED[info.dtype])), info.dtype)

    def read_raw(self, info: TensorInfo, start: int, count: int) -> np.ndarray[Any, Any]:
        """The same as bytes."""
        import numpy as np

        item = ITEM_BYTES[info.dtype]
        raw: np.ndarray[Any, Any] = np.empty(count * item, np.uint8)
        view, position = memoryview(raw.data), 0
        while position < len(raw):
            read = os.preadv(self._open(info.file), [view[position:]], info.start + start * item + position)
            if not read:
                raise AdvisorError(f"{info.file} ends inside tensor {info.name}", hint="fetch or copy the model again")
            position += read
        return raw

    def close(self) -> None:
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors.clear()

    def __enter__(self) -> Files:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _open(self, file: Path) -> int:
        with self._lock:
            if file not in self._descriptors:
                self._descriptors[file] = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
            return self._descriptors[file]


def size_of(info: TensorInfo) -> int:
    """Numbers in a tensor."""
    return prod(info.shape)


def widen(stored: np.ndarray[Any, Any], dtype: str) -> np.ndarray[Any, Any]:
    """Numbers as they are stored (bf16: uint16) in 32 bits."""
    import numpy as np

    if dtype != "BF16":
        return stored.astype(np.float32, copy=False)
    return np.left_shift(stored, 16, dtype=np.uint32, casting="unsafe").view(np.float32)


def narrow(values: np.ndarray[Any, Any], dtype: str) -> np.ndarray[Any, Any]:
    """32-bit numbers as they are stored, rounded once. NaN and infinity, if there are any, stay such."""
    import numpy as np

    if dtype != "BF16":
        with np.errstate(over="ignore"):
            return values.astype(np.dtype(_STORED[dtype]), copy=False)
    bits: np.ndarray[Any, Any] = values.view(np.uint32)
    odd = bits >> 16
    odd &= 1
    odd += bits
    odd += 0x7FFF
    stored = odd.view(np.uint16)[_UPPER::2]
    # Rounding carries some NaNs over into numbers: what is not finite keeps its upper half instead.
    if not np.isfinite(values).all():
        stored = np.where(np.isfinite(values), stored, bits.view(np.uint16)[_UPPER::2] | np.uint16(0x7F80))
    return np.ascontiguousarray(stored)


_UPPER = 1 if __import__("sys").byteorder == "little" else 0


def require_finite(name: str, stored: np.ndarray[Any, Any], dtype: str) -> None:
    """Raise AdvisorError when stored numbers hold NaN or infinity: no merge can make a good model of them."""
    import numpy as np

    if dtype == "BF16":
        is_finite = stored.size == 0 or int((stored & 0x7FFF).max()) < 0x7F80
    else:
        is_finite = bool(np.isfinite(stored).all())
    if not is_finite:
        raise AdvisorError(
            f"tensor {name} holds NaN or infinite values",
            why="a model is damaged, or the merged values are too large for the type they are stored in",
            hint="start from an earlier checkpoint, or smaller weights",
        )
