"""The machine in a few lines."""

from __future__ import annotations

from advisor.domain.profiles import GpuProfile, HardwareProfile
from advisor.report.units import gib


def machine_lines(hardware: HardwareProfile) -> list[str]:
    """GPUs with free of total memory, then RAM, disk and CPU; unknown is said, never shown as 0."""
    lines = [_gpu_line(number, gpu) for number, gpu in enumerate(hardware.gpus)]
    if not lines:
        lines = [f"GPU   none ({hardware.status.value}){': ' + hardware.remedy if hardware.remedy else ''}"]
    features = " ".join(hardware.cpu.features)
    lines.append(f"CPU   {hardware.cpu.cores or '?'} cores  {hardware.cpu.name}")
    lines.append(f"      {features}" if features else "      no matrix extensions known")
    lines.append(
        f"RAM   {_of(hardware.ram_free_gib, hardware.ram_gib)}      disk  {_known(hardware.disk_gib)} GiB free"
    )
    if hardware.is_simulated:
        lines.append("SIMULATED hardware: advice only, not this machine")
    return lines


def _gpu_line(number: int, gpu: GpuProfile) -> str:
    capability = f"  compute {gpu.compute_capability}" if gpu.compute_capability else ""
    return f"GPU{number}  {gpu.name}  {_of(gpu.free_gib, gpu.total_gib)}{capability}"


def _of(free: float | None, total: float | None) -> str:
    return f"{_known(free)} of {_known(total)} GiB free"


def _known(value: float | None) -> str:
    return "?" if value is None else gib(value)
