"""`Sampler`: memory of a worker and its children, once a second, without ever holding up the supervisor."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import Any

from executors.process.machine import GIB, load_nvml


class Sampler:
    """Reads RSS when asked; GPU memory is read by a thread, since NVML can hang on a lost GPU."""

    def __init__(self, pid: int) -> None:
        import psutil

        self._process = psutil.Process(pid)
        self._pids: frozenset[int] = frozenset({pid})
        self._gpu: tuple[float | None, float | None] = (None, None)
        self._done = threading.Event()
        self.peak_rss_gib: float | None = None
        self.peak_gpu_gib: float | None = None
        threading.Thread(target=self._watch_gpu, name="nvml", daemon=True).start()

    def sample(self) -> dict[str, Any] | None:
        """The fields of a `resource.sampled` event; None once the worker is gone."""
        import psutil

        try:
            family = [self._process, *_descendants(self._process)]
            rss, cpu = 0.0, self._process.cpu_percent()
            for member in family:
                rss += _rss(member)
        except psutil.Error:
            return None
        self._pids = frozenset(member.pid for member in family)
        gpu, busy = self._gpu
        self.note_rss(rss / GIB)
        if gpu is not None:
            self.peak_gpu_gib = max(gpu, self.peak_gpu_gib or 0.0)
        return {"rss_gib": round(rss / GIB, 4), "gpu_gib": gpu, "cpu_percent": cpu, "gpu_percent": busy}

    def is_zombie(self) -> bool:
        """The process has ended and waits to be reaped by its parent."""
        import psutil

        return bool(self._process.status() == psutil.STATUS_ZOMBIE)

    def note_rss(self, gib: float) -> None:
        """Count a measured value towards the peak."""
        self.peak_rss_gib = round(max(gib, self.peak_rss_gib or 0.0), 4)

    def close(self) -> None:
        self._done.set()

    def _watch_gpu(self) -> None:
        nvml = load_nvml()
        if nvml is None:
            return
        try:
            devices = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
            idle = {i: nvml.nvmlDeviceGetMemoryInfo(d).used for i, d in enumerate(devices)}
            while devices and not self._done.is_set():
                used = [_used_by(nvml, d, self._pids, idle[i]) for i, d in enumerate(devices)]
                at = used.index(max(used))
                busy = float(nvml.nvmlDeviceGetUtilizationRates(devices[at]).gpu)
                self._gpu = (round(used[at] / GIB, 4), busy)
                self._done.wait(1.0)
        except nvml.NVMLError:
            self._gpu = (None, None)


def _descendants(process: Any) -> list[Any]:
    """Its children and theirs. By the kernel's own lists where there are some: psutil looks through all processes."""
    import psutil

    found, ahead = [], [process.pid]
    while ahead:
        parent = ahead.pop()
        lists: list[str] = []
        with contextlib.suppress(OSError):  # it has just ended
            for file in Path(f"/proc/{parent}/task").glob("*/children"):
                with contextlib.suppress(OSError):  # this thread has, and the others still tell of theirs
                    lists.append(file.read_text())
        if not lists and parent == process.pid:
            return list(process.children(recursive=True))
        for pid in " ".join(lists).split():
            with contextlib.suppress(psutil.Error):
                found.append(psutil.Process(int(pid)))
                ahead.append(int(pid))
    return found


def _used_by(nvml: Any, device: Any, pids: frozenset[int], idle: int) -> int:
    """Bytes the worker has on a device; in a container that hides pids, what is used beyond the time before it."""
    own = [p.usedGpuMemory for p in nvml.nvmlDeviceGetComputeRunningProcesses(device) if p.pid in pids]
    if own and all(value is not None for value in own):
        return int(sum(own))
    return max(0, int(nvml.nvmlDeviceGetMemoryInfo(device).used) - idle)


def _rss(process: Any) -> int:
    import psutil

    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
