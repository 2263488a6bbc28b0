"""`advisor.probe.limits`: control group limits of both versions, from small copies of `/proc` and `/sys`."""

from __future__ import annotations

from pathlib import Path

import pytest

from advisor.probe.limits import read_memory, usable_cores

GIB = 2**30
MEMINFO = "MemTotal:       16777216 kB\nMemFree:         1048576 kB\nMemAvailable:    8388608 kB\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine of 16 GiB, half of it available."""
    write(tmp_path, "proc/meminfo", MEMINFO)
    return tmp_path


def write(root: Path, name: str, text: object) -> None:
    """A file below the root."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


def test_without_control_groups_the_machine_counts(root: Path) -> None:
    """Total and available memory are the kernel's."""
    assert read_memory(root) == (16 * GIB, 8 * GIB, None)


def test_the_tightest_limit_of_version_2_counts(root: Path) -> None:
    """A parent's limit below the group's own limit is the one that kills; droppable cache is not used memory."""
    write(root, "proc/self/cgroup", "0::/slice/job")
    write(root, "sys/fs/cgroup/slice/job/memory.max", 6 * GIB)
    write(root, "sys/fs/cgroup/slice/job/memory.current", 3 * GIB)
    write(root, "sys/fs/cgroup/slice/job/memory.stat", f"anon 1\ninactive_file {2 * GIB}")
    write(root, "sys/fs/cgroup/slice/memory.max", 4 * GIB)
    write(root, "sys/fs/cgroup/slice/memory.current", 3 * GIB)
    write(root, "sys/fs/cgroup/memory.max", "max")
    assert read_memory(root) == (4 * GIB, 1 * GIB, 4 * GIB)


def test_a_limit_of_version_1_counts(root: Path) -> None:
    """Version 1 has its own file names and its own way to say unlimited."""
    write(root, "proc/self/cgroup", "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n0::/")
    write(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", 9223372036854771712)
    write(root, "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", 2 * GIB)
    write(root, "sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes", GIB)
    write(root, "sys/fs/cgroup/memory/docker/abc/memory.stat", f"total_inactive_file {GIB // 2}")
    assert read_memory(root) == (2 * GIB, 3 * GIB // 2, 2 * GIB)


def test_a_path_of_the_host_that_is_not_mounted_here_falls_back_to_what_is(root: Path) -> None:
    """Inside a container the named group may not exist; the limit at the mounted top is found."""
    write(root, "proc/self/cgroup", "0::/host/path/not/here")
    write(root, "sys/fs/cgroup/memory.max", 3 * GIB)
    write(root, "sys/fs/cgroup/memory.current", GIB)
    assert read_memory(root) == (3 * GIB, 2 * GIB, 3 * GIB)


def test_a_limit_above_the_machine_is_none(root: Path) -> None:
    """A limit of more than the RAM changes nothing."""
    write(root, "proc/self/cgroup", "0::/")
    write(root, "sys/fs/cgroup/memory.max", 64 * GIB)
    assert read_memory(root).limit is None


def test_unreadable_memory_is_unknown(tmp_path: Path) -> None:
    """Without `/proc/meminfo` nothing is claimed."""
    assert read_memory(tmp_path) == (None, None, None)


@pytest.mark.parametrize(("quota", "cores"), [("150000 100000", 1), ("50000 100000", 1), ("max 100000", None)])
def test_a_quota_of_version_2_limits_the_cores(tmp_path: Path, quota: str, cores: int | None) -> None:
    """Only whole cores of a quota are used, and at least one."""
    write(tmp_path, "proc/self/cgroup", "0::/")
    write(tmp_path, "sys/fs/cgroup/cpu.max", quota)
    assert usable_cores(tmp_path) == (cores or usable_cores(tmp_path / "nothing"))


def test_a_quota_of_version_1_limits_the_cores(tmp_path: Path) -> None:
    """`cpu.cfs_quota_us` over the period; -1 is no quota."""
    write(tmp_path, "proc/self/cgroup", "3:cpu,cpuacct:/")
    write(tmp_path, "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", 100000)
    write(tmp_path, "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", 100000)
    assert usable_cores(tmp_path) == 1
    write(tmp_path, "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", -1)
    assert usable_cores(tmp_path) == usable_cores(tmp_path / "nothing")
