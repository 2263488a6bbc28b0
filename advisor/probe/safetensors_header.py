"""What a safetensors folder holds, from the headers alone: names, dtypes, sizes. No weight is read, no torch needed.

Format: 8 bytes little-endian header length, a JSON header, the data. A file that is cut off, padded or overlapping is
refused by name. It cannot tell a flipped bit inside the data: only a manifest can.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any, NamedTuple

from advisor.domain.errors import AdvisorError, ExitCode
from advisor.probe.untrusted import LFS_START, read_json, refuse_pickle

HEADER_LIMIT = 100_000_000
"""Bytes, as in the reference implementation."""
BITS = {
    "F64": 64, "I64": 64, "U64": 64, "C64": 64, "F32": 32, "I32": 32, "U32": 32, "F16": 16, "BF16": 16, "I16": 16,
    "U16": 16, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I8": 8, "U8": 8,
    "BOOL": 8, "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4,
}  # fmt: skip
SHARD = re.compile(r"^(?P<stem>.+)-(?P<number>\d{5})-of-(?P<total>\d{5})\.safetensors$")


class StoredTensor(NamedTuple):
    name: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


def read_weights(folder: Path) -> tuple[list[StoredTensor], int]:
    """All tensors of a model folder and the bytes of its weight files.

    Raises `AdvisorError`: shards missing (named), a file cut off or not safetensors (named), a pickle (exit 8), or no
    weights at all.
    """
    names, expected = _weight_files(folder)
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        raise AdvisorError(f"{folder} lacks {shown}", why="the index names these shards", hint="fetch the model again")
    tensors = [tensor for name in names for tensor in read_header(folder / name)]
    absent = expected - {tensor.name for tensor in tensors}
    if absent:
        raise AdvisorError(f"{folder}: the index names tensors that no shard holds, e.g. {min(absent)}")
    return tensors, sum((folder / name).stat().st_size for name in names)


def _weight_files(folder: Path) -> tuple[list[str], set[str]]:
    """File names of the weights, and the tensor names they must hold (empty without an index)."""
    index = folder / "model.safetensors.index.json"
    if index.exists():
        return _indexed(index)
    if (folder / "model.safetensors").exists():
        return ["model.safetensors"], set()
    found = sorted(p.name for p in folder.glob("*.safetensors") if not p.name.startswith("adapter_"))
    shards = [m for m in map(SHARD.match, found) if m]
    if shards:
        stem, total = shards[0]["stem"], int(shards[0]["total"])
        return [f"{stem}-{number:05d}-of-{total:05d}.safetensors" for number in range(1, total + 1)], set()
    if found:
        return found, set()
    for other in sorted(p for p in folder.iterdir() if p.suffix in (".bin", ".pt", ".pth", ".ckpt", ".pkl")):
        refuse_pickle(other)
    raise AdvisorError(
        f"{folder} holds no weights",
        why="no model.safetensors, no index of shards",
        hint="fetch the whole model, or give its hub id or `model: {params_b: ...}` for advice without it",
    )


def _indexed(index: Path) -> tuple[list[str], set[str]]:
    mapping = read_json(index).get("weight_map")
    if not isinstance(mapping, dict) or not all(isinstance(v, str) for v in mapping.values()):
        raise AdvisorError(f"{index} has no usable weight_map", hint="fetch the file again")
    names = sorted(set(mapping.values()))
    for name in names:
        if Path(name).name != name or name in ("", ".", ".."):
            raise AdvisorError(f"{index} points outside its folder: {name!r:.60}", code=ExitCode.REFUSED)
    return names, set(mapping)


def read_header(path: Path) -> list[StoredTensor]:
    """The tensors of one file, every size checked against the file. Raises `AdvisorError` naming the file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > HEADER_LIMIT or length + 8 > size:
            refuse_pickle(path)
            is_pointer = (start + file.read(32)).startswith(LFS_START)
            hint = "run 'git lfs pull'" if is_pointer else "fetch the file again"
            raise AdvisorError(f"{path} is not a whole safetensors file", why=f"it has {size} bytes", hint=hint)
        raw = file.read(length)
    try:
        header = json.loads(raw)
    except (ValueError, RecursionError) as error:
        refuse_pickle(path)
        raise AdvisorError(f"{path} has a broken header", hint="fetch the file again") from error
    tensors, ends = [], 0
    entries = header.items() if isinstance(header, dict) else ()
    for name, entry in sorted(((n, e) for n, e in entries if n != "__metadata__"), key=_offset):
        tensor, first, last = _tensor(path, name, entry)
        if first != ends:
            raise AdvisorError(f"{path}: tensor '{name}' overlaps or leaves a gap", hint="fetch the file again")
        tensors.append(tensor)
        ends = last
    if 8 + length + ends != size:
        raise AdvisorError(
            f"{path} is cut off or padded",
            why=f"its header calls for {8 + length + ends} bytes, it has {size}",
            hint="fetch the file again",
        )
    return tensors


def _offset(item: tuple[str, Any]) -> tuple[int, int]:
    """Order of the data; tensors without elements come before the one that starts where they do."""
    offsets = item[1].get("data_offsets") if isinstance(item[1], dict) else None
    if isinstance(offsets, list) and len(offsets) == 2 and all(isinstance(v, int) for v in offsets):
        return offsets[0], offsets[1]
    return 0, 0


def _tensor(path: Path, name: str, entry: Any) -> tuple[StoredTensor, int, int]:
    """One header entry, its size checked. Raises `AdvisorError` naming file and tensor."""
    dtype = entry.get("dtype") if isinstance(entry, dict) else None
    shape = entry.get("shape") if isinstance(entry, dict) else None
    first, last = _offset((name, entry))
    is_shape = isinstance(shape, list) and all(isinstance(d, int) and 0 <= d < 2**48 for d in shape)
    if not is_shape or dtype not in BITS or last - first != -(-math.prod(shape or ()) * BITS[dtype] // 8):
        raise AdvisorError(f"{path}: tensor '{name}' has an impossible size", hint="fetch the file again")
    return StoredTensor(name, dtype, tuple(shape or ()), last - first), first, last
