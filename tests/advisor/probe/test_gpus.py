"""`advisor.probe.gpus`, through a stub NVML library on the real ctypes path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from advisor.domain.profiles import GpuStatus
from advisor.probe.gpus import REMEDIES

Probe = Callable[..., dict[str, Any]]


def test_free_and_total_memory_are_told_per_gpu_by_uuid(probe_with_stub: Probe) -> None:
    """Two GPUs are two entries with their own UUID, total and free memory, capability and sensors."""
    found = probe_with_stub(STUB_GPUS="2")
    assert (found["status"], found["driver"], found["remedy"]) == ("ok", "999.42", "")
    assert [(g["uuid"], g["total_gib"], g["free_gib"], g["compute_capability"]) for g in found["gpus"]] == [
        ("GPU-00000000-bbbb", 24.0, 23.0, "8.6"),
        ("GPU-00000001-bbbb", 24.0, 22.0, "9.6"),
    ]
    gpu = found["gpus"][0]
    assert (gpu["temperature_c"], gpu["power_watt"], gpu["utilization_percent"]) == (41.0, 71.5, 3.0)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (4, GpuStatus.NO_PERMISSION),
        (9, GpuStatus.DRIVER_NOT_LOADED),
        (10, GpuStatus.TIMEOUT),
        (12, GpuStatus.NO_DRIVER),
        (15, GpuStatus.GPU_LOST),
        (18, GpuStatus.VERSION_MISMATCH),
        (17, GpuStatus.UNKNOWN_ERROR),
        (999, GpuStatus.UNKNOWN_ERROR),
    ],
)
def test_every_error_of_nvml_is_a_status_with_a_remedy(probe_with_stub: Probe, code: int, status: GpuStatus) -> None:
    """Whatever `nvmlInit` returns becomes a typed status and one line that says what to do; no GPU is invented."""
    found = probe_with_stub(STUB_ERRORS=f"nvmlInitWithFlags={code}")
    assert found["status"] == status
    assert found["gpus"] == []
    assert found["remedy"].startswith(REMEDIES[status])
    assert "\n" not in found["remedy"]


def test_a_driver_that_offers_no_gpu_is_no_error_of_the_driver(probe_with_stub: Probe) -> None:
    """NVML with zero devices is the status no-gpu."""
    assert probe_with_stub(STUB_GPUS="0")["status"] == "no-gpu"


@pytest.mark.parametrize("function", ["nvmlInitWithFlags", "nvmlDeviceGetMemoryInfo"])
def test_a_driver_that_hangs_costs_the_deadline_and_no_more(probe_with_stub: Probe, function: str) -> None:
    """NVML that never returns is given up at the deadline: status timeout, the rest of the machine known."""
    found = probe_with_stub(seconds=0.5, STUB_HANG=function)
    assert found["status"] == "timeout"
    assert 0.5 <= found["seconds"] < 2.0
    assert found["ram_gib"] > 0


def test_a_driver_that_crashes_takes_only_its_child_along(probe_with_stub: Probe) -> None:
    """A segmentation fault inside NVML is an unknown error, not the end of the program."""
    assert probe_with_stub(STUB_CRASH="nvmlDeviceGetName")["status"] == "unknown-error"


def test_one_lost_gpu_leaves_the_others(probe_with_stub: Probe) -> None:
    """When the second of three GPUs is lost, the status says so and the other two keep their memory."""
    found = probe_with_stub(STUB_GPUS="3", STUB_ERRORS="nvmlDeviceGetHandleByIndex@1=15")
    assert found["status"] == "gpu-lost"
    assert [g["index"] for g in found["gpus"]] == [0, 2]


def test_memory_that_nvml_does_not_support_is_unknown_and_shared(probe_with_stub: Probe) -> None:
    """GB10 and Jetson answer Not Supported: memory is unknown (never 0) and the GPU is marked as unified."""
    found = probe_with_stub(STUB_NAMES="NVIDIA GB10", STUB_ERRORS="nvmlDeviceGetMemoryInfo=3")
    gpu = found["gpus"][0]
    assert (found["status"], gpu["total_gib"], gpu["free_gib"], gpu["is_unified"]) == ("ok", None, None, True)
    assert any("shares the machine's memory" in note for note in found["notes"])


def test_a_sensor_that_is_missing_is_unknown(probe_with_stub: Probe) -> None:
    """A refused power reading is null and no error of the GPU."""
    found = probe_with_stub(STUB_ERRORS="nvmlDeviceGetPowerUsage=3")
    assert (found["status"], found["gpus"][0]["power_watt"]) == ("ok", None)


def test_a_partitioned_gpu_is_its_slices(probe_with_stub: Probe) -> None:
    """With MIG on, the slices stand in for the GPU, each with its own UUID and memory."""
    found = probe_with_stub(STUB_GPUS="2", STUB_MIG="2")
    assert [(g["uuid"], g["total_gib"], g["is_mig"], g["compute_capability"]) for g in found["gpus"]] == [
        ("MIG-00000000-aaaa", 10.0, True, "8.6"),
        ("MIG-00000001-aaaa", 10.0, True, "8.6"),
        ("GPU-00000001-bbbb", 24.0, False, "9.6"),
    ]


def test_mig_without_slices_offers_nothing_and_says_how_to_make_one(probe_with_stub: Probe) -> None:
    """A partitioned GPU without a slice cannot be used; the remedy names the command."""
    found = probe_with_stub(STUB_MIG="0")
    assert (found["status"], found["gpus"]) == ("no-gpu", [])
    assert "nvidia-smi mig" in found["remedy"]


@pytest.mark.parametrize(
    ("wanted", "visible"),
    [
        ("0", [False, False, True]),  # CUDA's own order: the newest first
        ("1,0", [False, True, True]),
        ("", [False, False, False]),
        ("-1", [False, False, False]),
        ("2,-1,0", [True, False, False]),
        ("9,0", [False, False, False]),
        ("GPU-00000001", [False, True, False]),
        ("GPU-0000000", [False, False, False]),  # fits several
        ("GPU-00000000-bbbb, GPU-00000002-bbbb", [True, False, True]),
    ],
)
def test_what_cuda_would_hide_is_not_visible(probe_with_stub: Probe, wanted: str, visible: list[bool]) -> None:
    """`CUDA_VISIBLE_DEVICES` by CUDA's rules: its own order, UUID beginnings, and an end at the first invalid entry."""
    found = probe_with_stub(STUB_GPUS="3", CUDA_VISIBLE_DEVICES=wanted)
    assert [g["is_visible"] for g in found["gpus"]] == visible
    assert found["status"] == ("ok" if any(visible) else "no-gpu")


def test_bus_order_is_followed_when_asked_for(probe_with_stub: Probe) -> None:
    """With CUDA_DEVICE_ORDER=PCI_BUS_ID an index counts as NVML counts."""
    found = probe_with_stub(STUB_GPUS="2", CUDA_VISIBLE_DEVICES="0", CUDA_DEVICE_ORDER="PCI_BUS_ID")
    assert [g["is_visible"] for g in found["gpus"]] == [True, False]


def test_numbers_for_gpus_of_different_kinds_are_remarked_on(probe_with_stub: Probe) -> None:
    """Two kinds of GPU and an index: a note tells that CUDA's order may differ."""
    names = {"STUB_GPUS": "2", "STUB_NAMES": "NVIDIA A;NVIDIA B"}
    assert any("PCI_BUS_ID" in note for note in probe_with_stub(**names, CUDA_VISIBLE_DEVICES="0")["notes"])
    assert probe_with_stub(**names)["notes"] == []


@pytest.mark.parametrize("wanted", ["MIG-00000001", "MIG-GPU-00000000-bbbb/8/0"])
def test_a_slice_is_named_by_its_uuid_or_by_its_instances(probe_with_stub: Probe, wanted: str) -> None:
    """Both ways of naming a MIG slice find it."""
    found = probe_with_stub(STUB_MIG="2", CUDA_VISIBLE_DEVICES=wanted)
    assert [g["is_visible"] for g in found["gpus"]] == [False, True]


def test_without_the_library_no_process_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a driver is told at once: no child is made."""
    import ctypes
    import subprocess

    from advisor.probe import gpus

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no such library")

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a process was started"))
    assert gpus.read_gpus().status is GpuStatus.NO_DRIVER
