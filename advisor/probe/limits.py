"""Memory and cores this process may really use: what the machine has, and what its control groups leave of it.

Reads `/proc` and `/sys/fs/cgroup` (version 1, version 2 and both mounted together). Sizes in bytes; unknown is None.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

NO_LIMIT = 2**60
"""Version 1 writes "no limit" as a number close to 2**63."""


class Memory(NamedTuple):
    total: int | None
    free: int | None
    limit: int | None
    """The tightest control group limit, when it is below what the machine has."""


def read_memory(root: Path = Path("/")) -> Memory:
    """Total and free memory in bytes, control group limits counted. `root`: where `proc` and `sys` are found."""
    total, free = _machine_memory(root)
    tightest: int | None = None
    for limit, used in _memory_groups(root):
        if total is not None and limit >= total:
            continue
        tightest = limit if tightest is None else min(tightest, limit)
        left = max(0, limit - used)
        free = left if free is None else min(free, left)
    return Memory(total if tightest is None else tightest, free, tightest)


def usable_cores(root: Path = Path("/")) -> int | None:
    """Cores by affinity and control group quota; at least one when anything is known."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    for quota in _cpu_quotas(root):
        cores = min(cores or quota, quota)
    return cores


def _machine_memory(root: Path) -> tuple[int | None, int | None]:
    try:
        text = (root / "proc/meminfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return _portable_memory() if root == Path("/") else (None, None)
    values = {line.partition(":")[0]: line.split()[1] for line in text.splitlines() if len(line.split()) > 1}
    kib = {key: int(value) * 1024 for key, value in values.items() if value.isdigit()}
    return kib.get("MemTotal"), kib.get("MemAvailable", kib.get("MemFree"))


def _portable_memory() -> tuple[int | None, int | None]:
    """macOS and Windows, where there is no `/proc`."""
    import psutil

    memory = psutil.virtual_memory()
    return int(memory.total), int(memory.available)


def _memory_groups(root: Path) -> Iterator[tuple[int, int]]:
    """Limit and working set (bytes) of each group around this process. Page cache that can be dropped is not used."""
    for folder in _folders(root, "memory"):
        version2 = _number(folder / "memory.max")
        limit = version2 if version2 is not None else _number(folder / "memory.limit_in_bytes")
        if limit is None or limit >= NO_LIMIT:
            continue
        used = _number(folder / "memory.current") or _number(folder / "memory.usage_in_bytes") or 0
        stat = _fields(folder / "memory.stat")
        cache = stat.get("inactive_file", 0) if version2 is not None else stat.get("total_inactive_file", 0)
        yield limit, max(0, used - cache)


def _cpu_quotas(root: Path) -> Iterator[int]:
    for folder in _folders(root, "cpu"):
        words = _text(folder / "cpu.max").split()
        if len(words) == 2 and words[0].isdigit() and int(words[1]) > 0:
            yield max(1, int(words[0]) // int(words[1]))
        quota, period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
        if quota and period:
            yield max(1, quota // period)


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """This process's group and all above it, innermost first, in every hierarchy that has the controller."""
    base = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0":
            tops = [base, base / "unified"]
        elif controller in controllers.split(","):
            tops = [base / controllers, base / controller]
        else:
            continue
        for top in tops:
            if top.is_dir():
                yield from _upwards(top, path)
                break


def _upwards(top: Path, path: str) -> Iterator[Path]:
    """Inside a container the path may be the host's and not exist here; what exists of it counts."""
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for length in range(len(parts), -1, -1):
        folder = top.joinpath(*parts[:length])
        if folder.is_dir():
            yield folder


def _text(path: Path) -> str:
    """The file's text; empty when it does not exist or may not be read, which then means: no limit known."""
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None


def _fields(path: Path) -> dict[str, int]:
    pairs = (line.split() for line in _text(path).splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}
