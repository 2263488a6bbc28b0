"""What this machine has free: memory (cgroup limits counted), disk, cores, and GPU memory as NVML tells it."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path
from typing import Any

from executors.process.environment import usable_cores
from executors.protocol import Machine

GIB = 2**30
NVML_PATIENCE = 5.0
"""Seconds."""
_CGROUP = Path("/sys/fs/cgroup")


def machine_facts(folder: Path) -> Machine:
    """The machine as `preflight` sees it; `folder` is where the run is written."""
    return Machine(
        ram_free_gib=free_memory_bytes() / GIB,
        gpu_free_gib=gpu_free_gib(),
        disk_free_gib=disk_free_gib(folder),
        cores=usable_cores(),
    )


def free_memory_bytes() -> int:
    """Memory that can be had now: of the machine, and of the cgroup without the page cache that can be dropped."""
    import psutil

    free = int(psutil.virtual_memory().available)
    limit, used = _cgroup_bytes("memory.max"), _cgroup_bytes("memory.current")
    if limit is None or used is None:
        return free
    cache = _cgroup_field("memory.stat", "inactive_file") or 0
    return min(free, max(0, limit - max(0, used - cache)))


def disk_free_gib(folder: Path) -> float | None:
    """Free space where `folder` is or will be; None when that cannot be found out."""
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        return shutil.disk_usage(place).free / GIB
    except OSError:
        return None


def memory_limit_gib() -> float:
    """RAM, or the cgroup's limit where that is smaller."""
    import psutil

    total = int(psutil.virtual_memory().total)
    limit = _cgroup_bytes("memory.max")
    return min(total, limit if limit is not None else total) / GIB


def oom_kills() -> int | None:
    """How many processes the kernel killed for memory in this cgroup so far; None when it does not tell."""
    return _cgroup_field("memory.events", "oom_kill")


def gpu_free_gib() -> float | None:
    """Free memory of the GPU with the most; None without one, when all are hidden, or when NVML does not answer."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        return None
    found: list[float] = []
    # NVML can hang on a lost GPU: it is asked from a thread that is left behind when it does.
    asking = threading.Thread(target=lambda: found.extend(_free_memory()), name="nvml", daemon=True)
    asking.start()
    asking.join(NVML_PATIENCE)
    return max(found, default=None)


def gpu_count() -> int:
    """GPUs that processes here may use; 0 without one, when all are hidden, or when NVML does not answer."""
    found: list[int] = []
    asking = threading.Thread(target=lambda: found.append(len(_free_memory())), name="nvml", daemon=True)
    asking.start()
    asking.join(NVML_PATIENCE)
    there, said = sum(found), os.environ.get("CUDA_VISIBLE_DEVICES")
    if said is None:
        return there
    visible = [word for word in said.split(",") if word.strip() not in ("", "-1")]
    return min(there, len(visible))


def _free_memory() -> list[float]:
    nvml = load_nvml()
    if nvml is None:
        return []
    try:
        handles = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
        return [nvml.nvmlDeviceGetMemoryInfo(handle).free / GIB for handle in handles]
    except nvml.NVMLError:
        return []


def load_nvml() -> Any | None:
    """The initialised NVML module; None when there is no driver or no GPU."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


def _cgroup_field(name: str, field: str) -> int | None:
    try:
        for line in (_CGROUP / name).read_text().splitlines():
            if line.startswith(f"{field} "):
                return int(line.split()[1])
    except (OSError, ValueError):
        return None
    return None


def _cgroup_bytes(name: str) -> int | None:
    try:
        text = (_CGROUP / name).read_text().strip()
        return None if text == "max" else int(text)
    except (OSError, ValueError):
        return None
