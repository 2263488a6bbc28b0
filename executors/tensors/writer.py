"""Writing a safetensors model one tensor at a time, in any order, sharded.

Shapes and dtypes are declared first, so that the header stands before the data and every tensor has its place.
Disk space is reserved before the first byte. Writing is not atomic by itself: the caller writes into a fresh folder
and renames it once `close` has synced everything.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from advisor.domain.errors import AdvisorError, ExitCode
from executors.tensors.folder import INDEX, SINGLE, write_json
from executors.tensors.header import ITEM_BYTES, TensorInfo

if TYPE_CHECKING:
    import torch

SHARD_BYTES = 4 * 2**30
SYNC_BYTES = 64 * 2**20
"""After so many bytes the disk is told to write them, beside the work: little is left to wait for at the end."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A tensor to come. `dtype` is the safetensors word, e.g. `BF16`."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @staticmethod
    def like(info: TensorInfo) -> TensorSpec:
        return TensorSpec(info.name, info.dtype, info.shape)


def bytes_of(spec: TensorSpec) -> int:
    """Bytes of a tensor to come."""
    return TensorInfo(spec.name, spec.dtype, spec.shape, Path()).bytes


class TensorWriter:
    """Writes the declared tensors below `out`. Use as a context manager; leaving it without an error calls `close`.

    `done`: names whose bytes already stand in files that an earlier writer of the same tensors left below `out`.
    """

    def __init__(
        self,
        out: Path,
        specs: Iterable[TensorSpec],
        shard_bytes: int = SHARD_BYTES,
        done: frozenset[str] = frozenset(),
    ) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self._places: dict[str, TensorInfo] = {}
        self._missing: set[str] = set()
        self._begun: dict[str, int] = {}
        self._descriptors: dict[Path, int] = {}
        self._unsynced = 0
        self._syncing: list[Future[None]] = []
        self._syncer = ThreadPoolExecutor(1, "sync")
        shards = _shards(list(specs), shard_bytes)
        for number, shard in enumerate(shards, start=1):
            name = SINGLE if len(shards) == 1 else f"model-{number:05d}-of-{len(shards):05d}.safetensors"
            self._open(out / name, shard, is_new=not done)
        self._missing -= done
        self._index = out / INDEX if len(shards) > 1 else None

    def write(self, name: str, tensor: torch.Tensor) -> None:
        """Put one tensor in its place. Raises AdvisorError when the disk is full, ValueError when it does not fit."""
        import torch

        place = self._places[name]
        if tuple(tensor.shape) != place.shape or tensor.element_size() != ITEM_BYTES[place.dtype]:
            raise ValueError(
                f"{name} was declared {place.dtype} {place.shape}, not {tensor.dtype} {tuple(tensor.shape)}"
            )
        if name not in self._missing:
            raise ValueError(f"{name} was written before")
        flat = tensor.detach().contiguous().cpu().flatten().view(torch.uint8)
        self._put(place, 0, memoryview(flat.numpy()))
        self._missing.discard(name)

    def _put(self, place: TensorInfo, start: int, data: memoryview) -> None:
        position = 0
        try:
            while position < len(data):
                target = place.start + start + position
                position += os.pwrite(self._descriptors[place.file], data[position:], target)
        except OSError as error:
            raise disk_error(place.file, error) from error
        self._unsynced += len(data)
        if self._unsynced >= SYNC_BYTES:
            self._unsynced = 0
            self._syncing.append(self._syncer.submit(os.fsync, self._descriptors[place.file]))

    def write_part(self, name: str, start: int, data: memoryview) -> None:
        """Put the bytes of a tensor from byte `start` on in their place; parts follow each other without a gap.

        Different tensors may be written by different threads. Raises AdvisorError when the disk is full, ValueError
        when a part does not fit.
        """
        place, done = self._places[name], self._begun.get(name, 0)
        if name not in self._missing or start != done or start + len(data) > place.bytes:
            raise ValueError(f"{name}: {len(data)} bytes at {start} do not follow {done} of {place.bytes}")
        self._put(place, start, data)
        self._begun[name] = start + len(data)
        if self._begun[name] == place.bytes:
            self._missing.discard(name)

    def close(self) -> None:
        """Sync everything and write the index. Raises ValueError when a declared tensor was never written."""
        if self._missing:
            self.abandon()
            raise ValueError(f"{len(self._missing)} declared tensors were not written, e.g. {min(self._missing)}")
        try:
            for begun in self._syncing:
                begun.result()
            for descriptor in self._descriptors.values():
                os.fsync(descriptor)
            if self._index is not None:
                write_json(self._index, self._index_content())
        except OSError as error:
            raise disk_error(next(iter(self._descriptors)), error) from error
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close the files as they are."""
        self._syncer.shutdown(cancel_futures=True)
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors.clear()

    def __enter__(self) -> TensorWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    def _open(self, file: Path, shard: list[TensorSpec], is_new: bool) -> None:
        header = _header(shard)
        start = len(header)
        for spec in shard:
            place = TensorInfo(spec.name, spec.dtype, spec.shape, file, start)
            self._places[spec.name] = place
            start += place.bytes
        self._missing.update(spec.name for spec in shard)
        descriptor = -1
        try:
            descriptor = os.open(file, (os.O_CREAT | os.O_EXCL if is_new else 0) | os.O_WRONLY, 0o644)
            self._descriptors[file] = descriptor
            if is_new:
                _reserve(descriptor, start)
                os.pwrite(descriptor, header, 0)
        except OSError as error:
            self.abandon()
            raise disk_error(file, error) from error

    def _index_content(self) -> dict[str, object]:
        total = sum(place.bytes for place in self._places.values())
        weight_map = {name: place.file.name for name, place in self._places.items()}
        return {"metadata": {"total_size": total}, "weight_map": weight_map}


def disk_error(file: Path, error: OSError) -> AdvisorError:
    """The message for a write that failed."""
    return AdvisorError(
        f"cannot write {file}",
        why=error.strerror or str(error),
        hint="free disk space, or choose another folder with --run-dir",
        code=ExitCode.DISK,
    )


def _reserve(descriptor: int, size: int) -> None:
    # A full disk is met here, before any work, on systems that can reserve space.
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.truncate(descriptor, size)


def _shards(specs: list[TensorSpec], shard_bytes: int) -> list[list[TensorSpec]]:
    names = [spec.name for spec in specs]
    if len(set(names)) != len(names):
        raise ValueError("a tensor is declared twice")
    shards: list[list[TensorSpec]] = [[]]
    size = 0
    for spec in specs:
        bytes_ = bytes_of(spec)
        if shards[-1] and size + bytes_ > shard_bytes:
            shards.append([])
            size = 0
        shards[-1].append(spec)
        size += bytes_
    # Wide types first: every tensor then starts at a multiple of its item size, as mapping readers expect.
    return [sorted(shard, key=lambda spec: -ITEM_BYTES[spec.dtype]) for shard in shards]


def _header(shard: list[TensorSpec]) -> bytes:
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    start = 0
    for spec in shard:
        size = bytes_of(spec)
        entries[spec.name] = {"dtype": spec.dtype, "shape": list(spec.shape), "data_offsets": [start, start + size]}
        start += size
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
