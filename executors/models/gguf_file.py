"""Reads the table of contents of a GGUF file, and its tensors, from a file nobody vouches for.

Every count, length and offset is checked against the file's size before it is used, so a damaged or
hostile file ends in a sentence and never in a huge allocation or a read outside the file. It knows nothing
of models: names, shapes and key/value pairs are given as they stand. Format: the GGUF specification of ggml,
versions 2 and 3, little endian.
"""

from __future__ import annotations

import math
import mmap
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advisor.domain.errors import AdvisorError, ExitCode

if TYPE_CHECKING:
    import numpy as np

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MAX_PAIRS = 65_536
MAX_TENSORS = 1_000_000
MAX_DIMENSIONS = 4
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9


@dataclass(frozen=True)
class TensorEntry:
    """One tensor: `shape` in row-major order (the reverse of the file's), absolute `offset` and size in bytes."""

    name: str
    shape: tuple[int, ...]
    type: int
    offset: int
    bytes: int


class _Cursor:
    """A position in the mapped file that refuses to pass its end."""

    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self.path, self.data, self.at, self.size = path, data, 0, len(data)

    def fail(self, why: str) -> AdvisorError:
        return AdvisorError(
            f"{self.path} is not a usable GGUF file",
            why=f"{why} (at byte {self.at} of {self.size})",
            hint="fetch or export the file again",
            code=ExitCode.BAD_INPUT,
        )

    def take(self, count: int) -> bytes:
        if count < 0 or count > self.size - self.at:
            raise self.fail(f"{count} bytes are announced where {self.size - self.at} are left")
        self.at += count
        return self.data[self.at - count : self.at]

    def scalar(self, code: str) -> Any:
        return struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}")))[0]

    def string(self) -> str:
        try:
            return self.take(self.scalar("Q")).decode("utf-8")
        except UnicodeDecodeError:
            raise self.fail("a string is not UTF-8") from None

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            return self.array()
        if kind not in _SCALARS:
            raise self.fail(f"value type {kind} is unknown")
        return self.scalar(_SCALARS[kind])

    def array(self) -> list[Any]:
        kind, count = self.scalar("I"), self.scalar("Q")
        if kind in _SCALARS:
            size = struct.calcsize(f"<{_SCALARS[kind]}")
            return list(struct.unpack(f"<{count}{_SCALARS[kind]}", self.take(count * size))) if count else []
        if kind != _STRING:
            raise self.fail(f"an array of type {kind} is not supported")
        if count > (self.size - self.at) // 8:
            raise self.fail(f"{count} strings are announced where {self.size - self.at} bytes are left")
        return [self.string() for _ in range(count)]


@dataclass(frozen=True)
class GgufFile:
    """An open GGUF file. `metadata` holds its key/value pairs, `tensors` its table of contents."""

    path: Path
    metadata: dict[str, Any]
    tensors: dict[str, TensorEntry]
    _data: mmap.mmap = field(repr=False)

    def get(self, key: str, kind: type | tuple[type, ...]) -> Any:
        """The value of `key`. Raises AdvisorError when it is missing or of another type."""
        value = self.metadata.get(key)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise AdvisorError(f"{self.path} is not a usable GGUF file", why=f"the key {key} is missing or mistyped")
        return value

    def read(self, name: str) -> np.ndarray[Any, Any]:
        """The tensor as float32, whatever its type in the file. Raises AdvisorError for an unknown type."""
        import numpy as np
        from gguf import GGMLQuantizationType, dequantize

        entry = self.tensors[name]
        raw = np.frombuffer(self._data, dtype=np.uint8, count=entry.bytes, offset=entry.offset)
        rows = raw.reshape(*entry.shape[:-1], -1) if len(entry.shape) > 1 else raw
        kind = GGMLQuantizationType(entry.type)
        try:
            values = dequantize(rows, kind)
        except NotImplementedError:
            raise AdvisorError(f"{self.path}: tensor {name} has type {kind.name}", why="it cannot be decoded") from None
        return values.reshape(entry.shape).astype(np.float32, copy=False)


def open_gguf(path: Path) -> GgufFile:
    """Map the file and read its table of contents. Raises AdvisorError when anything in it does not hold."""
    try:
        with path.open("rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise AdvisorError(f"cannot read {path}", why=str(error)) from None
    cursor = _Cursor(path, data)
    if cursor.take(min(4, cursor.size)) != MAGIC:
        raise cursor.fail("it does not begin with GGUF")
    version = cursor.scalar("I")
    if version not in VERSIONS:
        raise cursor.fail(f"version {version} is not one of {VERSIONS}")
    tensor_count, pair_count = cursor.scalar("Q"), cursor.scalar("Q")
    if tensor_count > MAX_TENSORS or pair_count > MAX_PAIRS:
        raise cursor.fail(f"{tensor_count} tensors and {pair_count} keys are more than any model has")
    metadata: dict[str, Any] = {}
    for _ in range(pair_count):
        key = cursor.string()
        if key in metadata:
            raise cursor.fail(f"the key {key!r} stands twice")
        metadata[key] = cursor.value(cursor.scalar("I"))
    return GgufFile(path, metadata, _tensors(cursor, tensor_count, metadata), data)


def _tensors(cursor: _Cursor, count: int, metadata: dict[str, Any]) -> dict[str, TensorEntry]:
    """The table of contents; it ends where the data begin, at the next multiple of the alignment."""
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    heads: list[tuple[str, tuple[int, ...], int, int]] = []
    for _ in range(count):
        name, dimensions = cursor.string(), cursor.scalar("I")
        if not 1 <= dimensions <= MAX_DIMENSIONS:
            raise cursor.fail(f"tensor {name!r} has {dimensions} dimensions")
        shape = tuple(reversed([cursor.scalar("Q") for _ in range(dimensions)]))
        heads.append((name, shape, cursor.scalar("I"), cursor.scalar("Q")))
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 1 <= alignment <= 1 << 20 or alignment & (alignment - 1):
        raise cursor.fail(f"the alignment {alignment!r} is not a power of two")
    start = math.ceil(cursor.at / alignment) * alignment
    entries: dict[str, TensorEntry] = {}
    for name, shape, kind, offset in heads:
        if kind not in iter(GGMLQuantizationType):
            raise cursor.fail(f"tensor {name!r} has the unknown type {kind}")
        block, size = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
        if min(shape) < 1 or shape[-1] % block or offset % alignment:
            raise cursor.fail(f"tensor {name!r} has a shape or offset that its type does not allow")
        length = math.prod(shape) // block * size
        if name in entries or start + offset + length > cursor.size:
            raise cursor.fail(f"tensor {name!r} stands twice or reaches beyond the end of the file")
        entries[name] = TensorEntry(name, shape, kind, start + offset, length)
    return entries
