"""executors/process/sampler.py and machine.py: what is measured, with and without a GPU."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from executors.process import machine, sampler
from executors.process.sampler import Sampler


class Nvml:
    """Two GPUs, the second used by a given process; as NVML answers."""

    class NVMLError(Exception):
        pass

    def __init__(self, pid: int | None) -> None:
        self.pid, self.used = pid, [2 * 2**30, 5 * 2**30]

    def nvmlDeviceGetCount(self) -> int:
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetMemoryInfo(self, device: int) -> SimpleNamespace:
        return SimpleNamespace(used=self.used[device], free=8 * 2**30 - self.used[device])

    def nvmlDeviceGetComputeRunningProcesses(self, device: int) -> list[SimpleNamespace]:
        return [SimpleNamespace(pid=self.pid, usedGpuMemory=3 * 2**30)] if self.pid and device else []

    def nvmlDeviceGetUtilizationRates(self, device: int) -> SimpleNamespace:
        return SimpleNamespace(gpu=90 * device)


def sampled(pid: int) -> tuple[dict[str, float | None], Sampler]:
    found = Sampler(pid)
    for _ in range(200):
        fields = found.sample()
        assert fields is not None
        if fields["gpu_gib"] is not None:
            break
        time.sleep(0.01)
    found.close()
    return fields, found


def test_memory_of_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process without a GPU has resident memory, a peak, and no GPU figure: unknown is None, never 0."""
    monkeypatch.setattr(sampler, "load_nvml", lambda: None)
    found = Sampler(os.getpid())
    fields = found.sample()
    found.close()
    assert fields is not None
    assert 0.005 < fields["rss_gib"] < 50
    assert found.peak_rss_gib == pytest.approx(fields["rss_gib"], rel=0.01)
    assert fields["gpu_gib"] is None
    assert found.peak_gpu_gib is None


def test_gpu_memory_of_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """What NVML says of the worker's own processes counts, on whichever GPU they are."""
    monkeypatch.setattr(sampler, "load_nvml", lambda: Nvml(os.getpid()))
    fields, found = sampled(os.getpid())
    assert fields["gpu_gib"] == 3.0
    assert fields["gpu_percent"] == 90.0
    assert found.peak_gpu_gib == 3.0


def test_gpu_memory_where_processes_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container that hides pids, what others used before the worker began does not count as its own."""
    monkeypatch.setattr(sampler, "load_nvml", lambda: Nvml(None))
    assert sampled(os.getpid())[0]["gpu_gib"] == 0.0


def test_children_count_although_a_thread_ends_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel lists children by thread: one that ended between two looks does not hide those of the others."""
    listed = Path.glob

    def with_one_that_is_gone(self: Path, pattern: str) -> Iterator[Path]:
        yield self / "0" / "children"
        yield from listed(self, pattern)

    monkeypatch.setattr(Path, "glob", with_one_that_is_gone)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in {found.pid for found in sampler._descendants(psutil.Process())}
        child.communicate()


def test_process_that_is_gone() -> None:
    """A process that ended and was reaped gives no sample."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    found = Sampler(child.pid)
    child.communicate()
    assert found.sample() is None
    found.close()


def test_free_gpu_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The GPU with the most free memory counts; none when all are hidden, or when NVML hangs."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(machine, "load_nvml", lambda: Nvml(None))
    assert machine.gpu_free_gib() == 6.0
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert machine.gpu_free_gib() is None
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr(machine, "NVML_PATIENCE", 0.05)
    monkeypatch.setattr(machine, "load_nvml", lambda: time.sleep(1))
    assert machine.gpu_free_gib() is None


def test_facts_of_this_machine(tmp_path: Path) -> None:
    """Memory, disk and cores of this machine are known, for a folder that does not exist yet too."""
    facts = machine.machine_facts(tmp_path / "not" / "yet")
    assert facts.ram_free_gib is not None
    assert 0 < facts.ram_free_gib <= machine.memory_limit_gib()
    assert facts.disk_free_gib is not None
    assert facts.cores is not None
    assert facts.cores >= 1


def test_cgroup_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cgroup's memory limit smaller than the RAM is the limit; page cache that can be dropped is free."""
    (tmp_path / "memory.max").write_text(str(2**30))
    (tmp_path / "memory.current").write_text(str(2**29))
    (tmp_path / "memory.events").write_text("low 0\noom_kill 3\n")
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    assert machine.memory_limit_gib() == 1.0
    assert machine.machine_facts(tmp_path).ram_free_gib == pytest.approx(0.5)
    assert machine.oom_kills() == 3
    (tmp_path / "memory.stat").write_text(f"anon 7\ninactive_file {2**28}\n")
    assert machine.machine_facts(tmp_path).ram_free_gib == pytest.approx(0.75)
