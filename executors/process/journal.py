"""`Journal`: the only writer of `events.jsonl`.

Numbers go on where they stopped, a line torn by a crash is cut off, and times come from one reading of the wall clock
and the monotonic clock, so that a clock set back or forth while running does not reorder or stretch anything.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FILE = "events.jsonl"
_RESERVE_BYTES = 64 * 1024
_TAIL = 1 << 16


class Journal:
    """Appends events. Raises OSError when the disk refuses; what is in the file stays readable."""

    def __init__(
        self, path: Path, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._monotonic = monotonic
        self._offset = wall() - monotonic()
        self._reserve = path.with_name(".reserve")
        self._end, self._seq = _cut_torn_line(self._descriptor)
        self._reserve.write_bytes(b"\0" * _RESERVE_BYTES)

    def append(self, event: dict[str, Any], *, is_durable: bool = False) -> None:
        """Stamp and write one event; with `is_durable` it survives a power cut."""
        stamp = {"seq": self._seq + 1, "time": round(self._offset + self._monotonic(), 6)}
        line = json.dumps({**stamp, **event}, ensure_ascii=False, allow_nan=False, default=str).encode() + b"\n"
        try:
            _write_at(self._descriptor, line, self._end)
            if is_durable:
                os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self._end)
            raise
        self._end += len(line)
        self._seq += 1

    def free_reserve(self) -> None:
        """Give back the space kept so that the end of a run can be written on a full disk."""
        self._reserve.unlink(missing_ok=True)

    def close(self) -> None:
        self.free_reserve()
        os.close(self._descriptor)


def _write_at(descriptor: int, data: bytes, place: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, place)
        data, place = data[written:], place + written


def _cut_torn_line(descriptor: int) -> tuple[int, int]:
    """Truncate after the last whole line. Returns the size left and the last sequence number."""
    size = os.fstat(descriptor).st_size
    reach = _TAIL
    while True:
        start = max(0, size - reach)
        tail = os.pread(descriptor, size - start, start)
        end = tail.rfind(b"\n") + 1
        seq = next((n for n in map(_seq_of, reversed(tail[:end].splitlines())) if n is not None), None)
        if seq is not None or start == 0:
            os.ftruncate(descriptor, start + end)
            return start + end, seq or 0
        reach *= 4


def _seq_of(line: bytes) -> int | None:
    try:
        seq = json.loads(line)["seq"]
    except (ValueError, KeyError, TypeError):
        return None
    return seq if isinstance(seq, int) else None
