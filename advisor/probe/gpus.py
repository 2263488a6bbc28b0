"""The GPUs as NVML reports them, with a typed status and a remedy for each way in which it can fail.

NVML is asked in a child process with a deadline. Without a driver no process is started: the missing library is seen
in about a millisecond. Nothing here asks CUDA, so no context is made and no GPU memory taken.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from advisor.domain.profiles import GpuProfile, GpuStatus
from advisor.probe.visible import is_visible

if TYPE_CHECKING:
    import subprocess

GIB = 2**30
SECONDS = 5.0
"""How long NVML may take. A healthy driver answers in well under one second."""

STATUS_OF_CODE: dict[int, GpuStatus] = {
    4: GpuStatus.NO_PERMISSION,
    9: GpuStatus.DRIVER_NOT_LOADED,
    10: GpuStatus.TIMEOUT,
    12: GpuStatus.NO_DRIVER,
    15: GpuStatus.GPU_LOST,
    16: GpuStatus.GPU_LOST,
    18: GpuStatus.VERSION_MISMATCH,
    28: GpuStatus.GPU_LOST,
}
"""NVML return codes (nvml.h, `nvmlReturn_t`); any other is `unknown-error`."""

REMEDIES: dict[GpuStatus, str] = {
    GpuStatus.NO_DRIVER: "No NVIDIA driver. With an NVIDIA GPU: install it, or start the container with --gpus all.",
    GpuStatus.DRIVER_NOT_LOADED: "The NVIDIA driver is not loaded: run 'sudo modprobe nvidia', or reboot.",
    GpuStatus.VERSION_MISMATCH: "Driver library and kernel module differ in version, usually after an update: reboot.",
    GpuStatus.NO_PERMISSION: "No permission to talk to the GPU: join the group that owns /dev/nvidia* (often 'video').",
    GpuStatus.GPU_LOST: "A GPU does not answer any more: see 'dmesg' for Xid errors, then reset it or reboot.",
    GpuStatus.NO_GPU: "The driver runs but offers no GPU: check 'nvidia-smi -L', and the container's device settings.",
    GpuStatus.TIMEOUT: "The NVIDIA driver did not answer in time: run 'nvidia-smi'; if that hangs too, reboot.",
    GpuStatus.UNKNOWN_ERROR: "The NVIDIA driver answered with an error: run 'nvidia-smi' to see it.",
}
HIDDEN = "CUDA_VISIBLE_DEVICES hides every GPU: unset it to use them."
NO_SLICES = "MIG is on but there is no slice: see 'nvidia-smi mig -lgip', then 'sudo nvidia-smi mig -cgi PROFILE -C'."
ORDER_NOTE = (
    "GPUs of different kinds, and CUDA_VISIBLE_DEVICES counts them in CUDA's own order: "
    "set CUDA_DEVICE_ORDER=PCI_BUS_ID, or name them by UUID."
)


class Gpus(NamedTuple):
    """What NVML said of all GPUs."""

    gpus: tuple[GpuProfile, ...] = ()
    status: GpuStatus = GpuStatus.NO_GPU
    remedy: str = ""
    driver: str | None = None
    notes: tuple[str, ...] = ()


def read_gpus(seconds: float = SECONDS) -> Gpus:
    """Every GPU and MIG slice of this machine. Never raises, never takes longer than `seconds` plus a moment."""
    if not _has_library():
        return _failed(GpuStatus.NO_DRIVER)
    answer = _ask_child(seconds)
    if isinstance(answer, GpuStatus):
        return _failed(answer)
    if answer["code"]:
        return _failed(STATUS_OF_CODE.get(answer["code"], GpuStatus.UNKNOWN_ERROR), f" (NVML: {answer['text']})")
    return _from_answer(answer, os.environ)


def _failed(status: GpuStatus, detail: str = "") -> Gpus:
    return Gpus(status=status, remedy=REMEDIES[status] + (detail if status is GpuStatus.UNKNOWN_ERROR else ""))


def _has_library() -> bool:
    """True when NVML can be loaded at all. The loader's own search path counts, so no file name is guessed."""
    if sys.platform == "darwin":
        return False
    if sys.platform == "win32":
        folders = (os.environ.get("WINDIR", "C:/Windows") + "/System32", "C:/Program Files/NVIDIA Corporation/NVSMI")
        return any(Path(folder, "nvml.dll").exists() for folder in folders)
    import ctypes

    try:
        ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return False
    return True


def _ask_child(seconds: float) -> dict[str, Any] | GpuStatus:
    """The child's JSON, or the status that its silence stands for."""
    import subprocess

    command = [sys.executable, "-P", str(Path(__file__).with_name("nvml_child.py"))]
    try:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )
    except OSError:
        return GpuStatus.UNKNOWN_ERROR
    try:
        out, _ = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        _abandon(child)
        return GpuStatus.TIMEOUT
    try:
        answer = json.loads(out)
    except ValueError:
        return GpuStatus.UNKNOWN_ERROR  # it died inside the driver
    return answer if isinstance(answer, dict) else GpuStatus.UNKNOWN_ERROR


def _abandon(child: subprocess.Popen[bytes]) -> None:
    """Kill a hung child. One that hangs inside the kernel cannot die; it is left behind rather than waited for."""
    from subprocess import TimeoutExpired

    child.kill()
    if child.stdout is not None:
        child.stdout.close()
    try:
        child.wait(timeout=0.5)
    except TimeoutExpired:
        child.returncode = -9  # keeps the interpreter from warning about, or waiting for, what cannot end


def _from_answer(answer: dict[str, Any], environ: os._Environ[str]) -> Gpus:
    """Profiles, visibility and status from the child's JSON."""
    raw = answer["gpus"]
    usable = [g for g in raw if not g.get("empty") and g.get("uuid")]
    visible = is_visible(usable, environ.get("CUDA_VISIBLE_DEVICES"), environ.get("CUDA_DEVICE_ORDER"))
    gpus = tuple(_profile(g, shown) for g, shown in zip(usable, visible, strict=True))
    driver = answer["driver"]
    codes = [code for g in raw for code in g["errors"].values() if code != _NOT_SUPPORTED]
    notes = (ORDER_NOTE,) if _is_order_uncertain(usable, environ) else ()
    if codes:
        status = STATUS_OF_CODE.get(codes[0], GpuStatus.UNKNOWN_ERROR)
        return Gpus(gpus, status, REMEDIES[status], driver, notes)
    if not gpus:
        return Gpus((), GpuStatus.NO_GPU, NO_SLICES if raw else REMEDIES[GpuStatus.NO_GPU], driver, notes)
    if not any(g.is_visible for g in gpus):
        return Gpus(gpus, GpuStatus.NO_GPU, HIDDEN, driver, notes)
    return Gpus(gpus, GpuStatus.OK, "", driver, notes)


_NOT_SUPPORTED = 3


def _is_order_uncertain(usable: list[dict[str, Any]], environ: os._Environ[str]) -> bool:
    wanted = environ.get("CUDA_VISIBLE_DEVICES", "")
    by_number = any(token.strip().isdigit() for token in wanted.split(","))
    mixed = len({g["name"] for g in usable}) > 1
    return by_number and mixed and environ.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID"


def _profile(gpu: dict[str, Any], shown: bool) -> GpuProfile:
    capability = gpu.get("capability")
    power = gpu.get("power")
    return GpuProfile(
        uuid=gpu["uuid"],
        name=gpu.get("name") or "NVIDIA GPU",
        total_gib=_gib(gpu.get("total")),
        free_gib=_gib(gpu.get("free")),
        compute_capability=f"{capability[0]}.{capability[1]}" if capability else None,
        index=gpu["index"],
        is_mig=bool(gpu.get("mig")),
        is_unified=not gpu.get("mig") and gpu["errors"].get("memory") == _NOT_SUPPORTED,
        is_visible=shown,
        temperature_c=gpu.get("temperature"),
        utilization_percent=gpu.get("utilization"),
        power_watt=None if power is None else power / 1000,
    )


def _gib(number: int | None) -> float | None:
    return None if number is None else number / GIB
