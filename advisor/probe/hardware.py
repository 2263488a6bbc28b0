"""This machine as a `HardwareProfile`: GPUs, RAM, disk and processor. Also the simulated machine of `--gpu`.

Loads neither torch nor CUDA. Costs a few milliseconds where there is no NVIDIA driver.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from advisor.domain.profiles import CpuProfile, GpuProfile, GpuStatus, HardwareProfile
from advisor.probe.gpus import GIB, SECONDS, read_gpus
from advisor.probe.limits import read_memory, usable_cores

X86_FEATURES = ("f16c", "fma", "avx", "avx2", "avx512f", "avx512_bf16", "avx512_fp16", "avx512_vnni", "avx_vnni")
AMX_FEATURES = ("amx_tile", "amx_bf16", "amx_int8")
ARM_FEATURES = {"asimd": "neon", "neon": "neon", "asimddp": "dotprod", "i8mm": "i8mm", "bf16": "bf16", "sve": "sve"}


def probe_hardware(run_folder: Path | None = None, *, nvml_seconds: float = SECONDS) -> HardwareProfile:
    """What this machine is. Never raises: what cannot be read is None, what NVML refuses is in `status`.

    `run_folder`: where runs are written (need not exist), for the free disk space; default the current folder.
    """
    found = read_gpus(nvml_seconds)
    memory = read_memory()
    notes = found.notes
    if memory.limit is not None:
        notes += (f"A control group limits memory to {memory.limit / GIB:.1f} GiB.",)
    if any(g.is_unified for g in found.gpus):
        notes += ("The GPU shares the machine's memory: its limit is the RAM shown here.",)
    return HardwareProfile(
        gpus=found.gpus,
        status=found.status,
        remedy=found.remedy,
        driver=found.driver,
        cpu=read_cpu(),
        ram_gib=None if memory.total is None else memory.total / GIB,
        ram_free_gib=None if memory.free is None else memory.free / GIB,
        disk_gib=free_disk_gib(run_folder or Path()),
        notes=notes,
        platform=_platform(),
        is_wsl="microsoft" in _release().lower(),
    )


def simulate(
    profile: HardwareProfile,
    gpus: Iterable[tuple[str, float, int]] | None = None,
    ram_gib: float | None = None,
    no_gpu: bool = False,
) -> HardwareProfile:
    """The machine with other GPUs (name, GiB each, how many), other RAM, or none, and marked as simulated.

    A simulated GPU is empty: all of its memory is free.
    """
    change: dict[str, object] = {"is_simulated": True, "identity": "", "calibration": None, "corrections": ()}
    if no_gpu or gpus is not None:
        wanted = [] if no_gpu else [(name, gib) for name, gib, count in gpus or () for _ in range(count)]
        change["gpus"] = tuple(
            GpuProfile(uuid=f"simulated-{i}", name=name, total_gib=gib, free_gib=gib, index=i)
            for i, (name, gib) in enumerate(wanted)
        )
        change |= {"status": GpuStatus.SIMULATED, "remedy": "", "driver": None, "notes": ()}
    if ram_gib is not None:
        change |= {"ram_gib": ram_gib, "ram_free_gib": ram_gib}
    return profile.model_copy(update=change)


def free_disk_gib(folder: Path) -> float | None:
    """Free space (GiB) on the volume that holds the folder, or would once it is made."""
    folder = folder.absolute()
    for place in (folder, *folder.parents):
        try:
            return _free_bytes(place) / GIB
        except OSError:
            continue
    return None


def _free_bytes(place: Path) -> int:
    if hasattr(os, "statvfs"):
        found = os.statvfs(place)
        return found.f_bavail * found.f_frsize
    import shutil

    return shutil.disk_usage(place).free


def read_cpu(root: Path = Path("/")) -> CpuProfile:
    """Name, usable cores, and the instruction sets that matter for low-precision work."""
    first: dict[str, str] = {}
    try:
        with (root / "proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            for line in file:  # the first processor only: on large machines the whole file takes a while
                if not line.strip() and first:
                    break
                key, _, value = line.partition(":")
                first.setdefault(key.strip().lower(), value.strip())
    except OSError:
        return _portable_cpu()
    flags = first.get("flags", "").split()
    features = [f for f in (*X86_FEATURES, *AMX_FEATURES) if f in flags]
    for flag in first.get("features", "").split():
        name = ARM_FEATURES.get(flag)
        if name and name not in features:
            features.append(name)
    return CpuProfile(name=first.get("model name", ""), cores=usable_cores(root), features=tuple(features))


def _portable_cpu() -> CpuProfile:
    import platform

    features = ("neon",) if platform.machine().lower() in ("arm64", "aarch64") else ()
    return CpuProfile(name=platform.processor(), cores=usable_cores(), features=features)


def _release() -> str:
    return os.uname().release if hasattr(os, "uname") else ""


def _platform() -> str:
    if hasattr(os, "uname"):
        system = os.uname()
        return f"{system.sysname} {system.release} {system.machine}"
    return sys.platform
