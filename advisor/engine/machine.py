"""Facts of the machine that trains and of the GPU that serves, filled up from the catalogue.

Free memory decides, not total, and per GPU: several of a kind are counted, never melted into one.
"""

from __future__ import annotations

import math
from typing import Any

from advisor.domain.calibration import NARROW, WIDE, DtypeRates
from advisor.domain.knowledge import Catalog, GpuSpec
from advisor.domain.profiles import GpuProfile, HardwareProfile
from advisor.engine.gpus import match

TAKEN_SHARE = 0.5
"""A GPU with less free than this share of the freest of its kind is somebody else's, and is not counted."""


STEADY_GIB = 0.5
"""Free memory and disk of this machine change by the second; counted down to this step, the advice does not."""


def _steady(gib: float | None, hardware: HardwareProfile) -> float | None:
    """What is free, counted down to half GiB where it was read and not said, and there is more than a little."""
    if gib is None or hardware.is_simulated or gib < 4 * STEADY_GIB:
        return gib
    return math.floor(gib / STEADY_GIB) * STEADY_GIB


def hardware_facts(catalog: Catalog, hardware: HardwareProfile) -> dict[str, Any]:
    """The visible GPU with the most free memory decides, with how many of its name are about as free."""
    facts: dict[str, Any] = {
        "ram_gib": _steady(hardware.ram_gib if hardware.ram_free_gib is None else hardware.ram_free_gib, hardware),
        "disk_gib": _steady(hardware.disk_gib, hardware),
        "cpu_cores": hardware.cpu.cores,
        "cpu_features": hardware.cpu.features,
        "is_simulated": hardware.is_simulated,
    }
    gpus = [gpu for gpu in hardware.gpus if gpu.is_visible and _free(gpu) > 0]
    if not gpus:
        return facts
    largest = max(gpus, key=_free)
    alike = [gpu for gpu in gpus if gpu.name == largest.name and _free(gpu) >= TAKEN_SHARE * _free(largest)]
    spec = match(largest.name, largest.total_gib or largest.free_gib, catalog.gpus)
    return facts | {
        "has_gpu": True,
        "gpu_name": largest.name,
        "gpu_gib": min(_free(gpu) for gpu in alike),
        "gpu_count": len(alike),
        "gpu_total_gib": sum(_free(gpu) for gpu in alike),
        "gpu_capability": _capability(largest) or (spec.capability or None if spec else None),
        "gpu_bandwidth_gbs": spec.bandwidth_gbs if spec else None,
        "gpu_tflops_bf16": (spec.tflops.get("bf16") or spec.tflops.get("fp16")) if spec else None,
        "gpu_formats": spec.formats if spec else (),
    }


def measured_facts(hardware: HardwareProfile, machine: dict[str, Any], hidden: int | None) -> dict[str, Any]:
    """What calibration and earlier runs say of this machine, for a model of that hidden width.

    Simulated hardware has been measured by nobody.
    """
    if hardware.is_simulated:
        return {}
    facts: dict[str, Any] = {"corrections": hardware.corrections, "machine": hardware.identity or None}
    found = hardware.calibration
    if found is None:
        return facts
    facts |= {"measured_bandwidth": found.cpu.copy_gbs, "measured_disk_mbs": found.disk_write_mbs}
    facts["calibration"] = found.id
    device = found.cpu
    if machine.get("has_gpu"):
        alike = [gpu for gpu in found.gpus if gpu.name == machine["gpu_name"]]
        if not alike:
            return facts
        device = alike[0]
    return facts | {
        "measured_tflops": _rate(device.bf16, hidden or WIDE),
        "measured_tflops_fp32": _rate(device.fp32, hidden or WIDE),
    }


def _rate(rates: DtypeRates, hidden: int) -> float:
    """TFLOP/s of training at that width: between the two that were measured, by the logarithm of the width."""
    share = math.log(hidden / NARROW) / math.log(WIDE / NARROW)
    share = min(1.0, max(0.0, share))
    return rates.train_narrow + share * (rates.train_wide - rates.train_narrow)


def _free(gpu: GpuProfile) -> float:
    return (gpu.free_gib if gpu.free_gib is not None else gpu.total_gib) or 0.0


def _capability(gpu: GpuProfile) -> float | None:
    try:
        return float(gpu.compute_capability) if gpu.compute_capability else None
    except ValueError:
        return None


def serving_gpu(
    catalog: Catalog, name: str | None, memory_gib: float | None, machine: dict[str, Any]
) -> dict[str, Any]:
    """Facts of the GPU that serves: the one named, else the machine's own."""
    if name is None:
        return {
            "serve_gpu": machine.get("gpu_name"),
            "serve_gib": memory_gib or machine.get("gpu_total_gib"),
            "serve_capability": machine.get("gpu_capability"),
            "serve_formats": machine.get("gpu_formats", ()),
        }
    spec: GpuSpec | None = match(name, memory_gib, catalog.gpus)
    return {
        "serve_gib": memory_gib or (spec.memory_gib if spec else None),
        "serve_capability": spec.capability or None if spec else None,
        "serve_formats": spec.formats if spec else (),
    }
