"""`advisor hardware`: what this machine is, or would be with simulated parts. It gives no advice."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advisor.cli.parser import add_hardware_overrides

if TYPE_CHECKING:
    from advisor.domain.profiles import GpuProfile, HardwareProfile

SUMMARY = "what this machine is: GPUs (free and total memory), processor, RAM, disk"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--run-dir", type=Path, metavar="DIR", help="show the disk that holds this folder")
    add_hardware_overrides(parser)


def run(args: argparse.Namespace) -> int:
    from advisor.cli.output import write, write_json
    from advisor.probe.hardware import probe_hardware, simulate

    profile = probe_hardware(args.run_dir)
    if args.gpu or args.no_gpu or args.ram is not None:
        gpus = [(gpu.name, gpu.memory_gib, gpu.count) for gpu in args.gpu] if args.gpu else None
        profile = simulate(profile, gpus, args.ram, args.no_gpu)
    if args.json:
        write_json(as_json(profile))
    else:
        write(as_text(profile))
    return 0


def as_json(profile: HardwareProfile) -> dict[str, Any]:
    """The contract's shape. Memory in GiB to three places; unknown is null."""
    return {
        "schema": 1,
        "gpus": [_gpu_json(gpu) for gpu in profile.gpus],
        "status": profile.status.value,
        "remedy": profile.remedy,
        "driver": profile.driver,
        "ram_gib": _round(profile.ram_gib),
        "ram_free_gib": _round(profile.ram_free_gib),
        "disk_free_gib": _round(profile.disk_gib),
        "cpu": {"name": profile.cpu.name, "cores": profile.cpu.cores, "features": list(profile.cpu.features)},
        "platform": profile.platform,
        "is_wsl": profile.is_wsl,
        "is_simulated": profile.is_simulated,
        "notes": list(profile.notes),
    }


def _gpu_json(gpu: GpuProfile) -> dict[str, Any]:
    return {
        "uuid": gpu.uuid,
        "name": gpu.name,
        "total_gib": _round(gpu.total_gib),
        "free_gib": _round(gpu.free_gib),
        "compute_capability": gpu.compute_capability,
        "index": gpu.index,
        "is_mig": gpu.is_mig,
        "is_unified": gpu.is_unified,
        "is_visible": gpu.is_visible,
        "temperature_c": gpu.temperature_c,
        "utilization_percent": gpu.utilization_percent,
        "power_watt": gpu.power_watt,
    }


def as_text(profile: HardwareProfile) -> str:
    """For people; every line stands alone, so that it reads well aloud and in a log."""
    lines = ["Simulated hardware: not what this machine has."] if profile.is_simulated else []
    lines += [f"GPU     {_gpu_text(gpu)}" for gpu in profile.gpus] or ["GPU     none"]
    if profile.status.value not in ("ok", "simulated"):
        lines += [f"        {profile.status.value}: {profile.remedy}"]
    if profile.driver:
        lines += [f"Driver  {profile.driver}"]
    cores = "unknown" if profile.cpu.cores is None else str(profile.cpu.cores)
    lines += [f"CPU     {profile.cpu.name or 'unknown'}, usable cores: {cores}"]
    if profile.cpu.features:
        lines += [f"        {' '.join(profile.cpu.features)}"]
    lines += [f"RAM     {_gib(profile.ram_gib)}, {_gib(profile.ram_free_gib)} free"]
    lines += [f"Disk    {_gib(profile.disk_gib)} free"]
    lines += [f"System  {profile.platform}{', under WSL' if profile.is_wsl else ''}"]
    lines += [f"Note    {note}" for note in profile.notes]
    return "\n".join(lines) + "\n"


def _gpu_text(gpu: GpuProfile) -> str:
    parts = [gpu.name, f"{_gib(gpu.total_gib)}, {_gib(gpu.free_gib)} free"]
    parts += [f"compute capability {gpu.compute_capability}"] if gpu.compute_capability else []
    parts += [
        word for word, holds in (("MIG slice", gpu.is_mig), ("memory shared with the CPU", gpu.is_unified)) if holds
    ]
    parts += [] if gpu.is_visible else ["hidden by CUDA_VISIBLE_DEVICES"]
    return ", ".join([*parts, gpu.uuid])


def _gib(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f} GiB"


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
