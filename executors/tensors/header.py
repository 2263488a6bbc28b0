"""The header of a safetensors file, read and checked without torch.

Refuses by name what would otherwise fail late or load silently wrong: truncated files, overlapping or out-of-range
tensors, unknown dtypes, absurd headers. It reads no tensor data.

Format: 8 bytes little-endian header length, JSON header, then the data; offsets count from the end of the header.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from advisor.domain.errors import AdvisorError

ITEM_BYTES = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
}
MAX_HEADER_BYTES = 100_000_000
"""The limit of the reference implementation."""


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor of a safetensors file. `start` is its absolute byte offset."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path
    start: int = 0

    @property
    def bytes(self) -> int:
        return prod(self.shape) * ITEM_BYTES[self.dtype]


def read_header(file: Path) -> dict[str, TensorInfo]:
    """The tensors of one safetensors file by name. Raises AdvisorError naming the file when it is damaged."""
    size, raw = _read_json(file)
    data_start = 8 + len(raw)
    try:
        entries = json.loads(raw)
        if not isinstance(entries, dict):
            raise ValueError("the header is not a table")
        entries.pop("__metadata__", None)
        tensors = {name: _tensor(name, entry, file, data_start) for name, entry in entries.items()}
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(file, f"its header cannot be read: {error}") from error
    _check_layout(file, size, data_start, list(tensors.values()))
    return tensors


def read_metadata(file: Path) -> dict[str, Any]:
    """The free texts in the header of a safetensors file. Raises AdvisorError when it cannot be read."""
    try:
        return dict(json.loads(_read_json(file)[1]).get("__metadata__") or {})
    except (ValueError, AttributeError, TypeError) as error:
        raise _damaged(file, f"its header cannot be read: {error}") from error


def _read_json(file: Path) -> tuple[int, bytes]:
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if size < 8 or length > min(size - 8, MAX_HEADER_BYTES):
                raise _damaged(file, f"{size} bytes are fewer than its header needs")
            return size, stream.read(length)
    except OSError as error:
        raise AdvisorError(f"cannot read {file}", why=error.strerror or str(error)) from error


def _tensor(name: str, entry: dict[str, Any], file: Path, data_start: int) -> TensorInfo:
    shape = tuple(int(size) for size in entry["shape"])
    start, end = (int(offset) for offset in entry["data_offsets"])
    dtype = str(entry["dtype"])
    if dtype not in ITEM_BYTES:
        raise ValueError(f"tensor {name} has the unknown type {dtype}")
    if any(size < 0 for size in shape):
        raise ValueError(f"tensor {name} has a negative dimension")
    info = TensorInfo(name, dtype, shape, file, data_start + start)
    if start < 0 or end - start != info.bytes:
        raise ValueError(f"tensor {name} spans {end - start} bytes where its shape needs {info.bytes}")
    return info


def _check_layout(file: Path, size: int, data_start: int, tensors: list[TensorInfo]) -> None:
    position = data_start
    for tensor in sorted(tensors, key=lambda info: info.start):
        if tensor.start != position:
            raise _damaged(file, f"tensor {tensor.name} does not start where the one before it ends")
        position += tensor.bytes
    if position != size:
        raise _damaged(file, f"it has {size} bytes where its header needs {position}")


def _damaged(file: Path, why: str) -> AdvisorError:
    return AdvisorError(f"{file} is truncated or damaged", why=why, hint="fetch or copy the model again")
