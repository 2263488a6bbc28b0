"""`advisor hardware`: what this machine is, or would be with simulated parts. It gives no advice."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advisor.cli.parser import add_hardware_overrides

if TYPE_CHECKING:
    from advisor.domain.calibration import Calibration, DeviceRates
    from advisor.domain.profiles import GpuProfile, HardwareProfile

SUMMARY = "what this machine is: GPUs (free and total memory), processor, RAM, disk"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--run-dir", type=Path, metavar="DIR", help="show the disk that holds this folder")
    parser.add_argument(
        "--calibrate", action="store_true", help="measure this machine (about 10 seconds) and keep it for estimates"
    )
    add_hardware_overrides(parser)


def run(args: argparse.Namespace) -> int:
    from advisor.cli.output import note, write, write_json
    from advisor.probe.calibration import read_calibration
    from advisor.probe.hardware import probe_hardware, simulate

    profile = probe_hardware(args.run_dir)
    if args.gpu or args.no_gpu or args.ram is not None:
        gpus = [(gpu.name, gpu.memory_gib, gpu.count) for gpu in args.gpu] if args.gpu else None
        profile = simulate(profile, gpus, args.ram, args.no_gpu)
    if args.calibrate:
        from advisor.runs.calibrate import calibrate

        note("measuring this machine: about 10 seconds, longer when it is busy")
        found: Calibration | None = calibrate(profile, args.run_dir)
    else:
        found = read_calibration(profile)
    profile = profile.model_copy(update={"calibration": found})
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
        "calibration": profile.calibration.model_dump(mode="json", by_alias=True) if profile.calibration else None,
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
    lines += _calibration_lines(profile.calibration) if not profile.is_simulated else []
    return "\n".join(lines) + "\n"


def _calibration_lines(found: Calibration | None) -> list[str]:
    if found is None:
        return ["Speed   not measured: advisor hardware --calibrate"]
    lines = [line for device in (found.cpu, *found.gpus) for line in _device_lines(device)]
    if found.disk_write_mbs is not None:
        lines.append(f"Speed   disk, writing: {found.disk_write_mbs:.0f} MB/s")
    return lines


def _device_lines(device: DeviceRates) -> list[str]:
    from advisor.domain.calibration import NARROW, WIDE

    lines = []
    for name, rates in (("bf16", device.bf16), ("fp32", device.fp32)):
        trains = (
            f"training {_teraflops(rates.train_narrow)} at width {NARROW}, {_teraflops(rates.train_wide)} at {WIDE}"
        )
        multiplies = f"matrices {_teraflops(rates.matmul_narrow)} and {_teraflops(rates.matmul_wide)}"
        lines.append(f"Speed   {device.name or 'CPU'}, {name}: {trains}; {multiplies}")
    return [*lines, f"Speed   {device.name or 'CPU'}, copying memory: {device.copy_gbs:.1f} GB/s"]


def _teraflops(value: float) -> str:
    return f"{value:.3g} TFLOP/s"


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
