"""Facts of the machine that trains and of the GPU that serves, filled up from the catalogue.

Free memory decides, not total, and per GPU: several of a kind are counted, never melted into one.
"""

from __future__ import annotations

from typing import Any

from advisor.domain.knowledge import Catalog, GpuSpec
from advisor.domain.profiles import GpuProfile, HardwareProfile
from advisor.engine.gpus import match


def hardware_facts(catalog: Catalog, hardware: HardwareProfile) -> dict[str, Any]:
    """The largest visible GPU decides, with how many of its name there are."""
    facts: dict[str, Any] = {
        "ram_gib": hardware.ram_free_gib if hardware.ram_free_gib is not None else hardware.ram_gib,
        "disk_gib": hardware.disk_gib,
        "cpu_cores": hardware.cpu.cores,
        "cpu_features": hardware.cpu.features,
        "is_simulated": hardware.is_simulated,
    }
    gpus = [gpu for gpu in hardware.gpus if gpu.is_visible and _free(gpu) > 0]
    if not gpus:
        return facts
    largest = max(gpus, key=_free)
    alike = [gpu for gpu in gpus if gpu.name == largest.name]
    spec = match(largest.name, largest.total_gib or largest.free_gib, catalog.gpus)
    return facts | {
        "has_gpu": True,
        "gpu_name": largest.name,
        "gpu_gib": min(_free(gpu) for gpu in alike),
        "gpu_count": len(alike),
        "gpu_total_gib": sum(_free(gpu) for gpu in alike),
        "gpu_capability": _capability(largest) or (spec.capability if spec else None),
        "gpu_bandwidth_gbs": spec.bandwidth_gbs if spec else None,
        "gpu_tflops_bf16": (spec.tflops.get("bf16") or spec.tflops.get("fp16")) if spec else None,
        "gpu_formats": spec.formats if spec else (),
    }


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
        "serve_capability": spec.capability if spec else None,
        "serve_formats": spec.formats if spec else (),
    }
