"""Asks NVML about the GPUs and prints one JSON line. Run as a process of its own by `gpus`, never imported.

NVML can hang or crash with its driver; here it takes nothing with it. Memory in bytes, power in milliwatts. A value
that the driver refuses is null and its NVML error code stands in `errors`, so that unknown never becomes 0.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pynvml


def main() -> int:
    """Print `{"code": NVML error or 0, "text", "driver", "gpus": [...]}`."""
    answer: dict[str, Any] = {"code": 0, "text": "", "driver": None, "gpus": []}
    try:
        pynvml.nvmlInit()
        answer["driver"] = _asked({}, "driver", pynvml.nvmlSystemGetDriverVersion)
        for index in range(pynvml.nvmlDeviceGetCount()):
            answer["gpus"] += _device(index)
    except pynvml.NVMLError as error:
        answer |= {"code": error.value, "text": str(error)}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
    return 0


def _device(index: int) -> list[dict[str, Any]]:
    """One GPU, or its slices when it is partitioned (CUDA then offers only those)."""
    errors: dict[str, int] = {}
    handle = _asked(errors, "handle", pynvml.nvmlDeviceGetHandleByIndex, index)
    if handle is None:
        return [{"index": index, "errors": errors}]
    gpu = _described(handle, errors) | {"index": index, "mig": False}
    capability = _asked(errors, "capability", pynvml.nvmlDeviceGetCudaComputeCapability, handle)
    gpu["capability"] = capability
    mode = _asked({}, "mig", pynvml.nvmlDeviceGetMigMode, handle)
    if mode is not None and mode[0] == pynvml.NVML_DEVICE_MIG_ENABLE:
        slices = _slices(handle, gpu)
        return slices or [gpu | {"mig": True, "empty": True}]
    gpu["temperature"] = _asked({}, "t", pynvml.nvmlDeviceGetTemperature, handle, pynvml.NVML_TEMPERATURE_GPU)
    gpu["power"] = _asked({}, "p", pynvml.nvmlDeviceGetPowerUsage, handle)
    rates = _asked({}, "u", pynvml.nvmlDeviceGetUtilizationRates, handle)
    gpu["utilization"] = None if rates is None else rates.gpu
    return [gpu]


def _slices(handle: Any, parent: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for number in range(_asked({}, "n", pynvml.nvmlDeviceGetMaxMigDeviceCount, handle) or 0):
        errors: dict[str, int] = {}
        part = _asked({}, "s", pynvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, number)
        if part is None:
            continue  # this place is not occupied
        ids = [
            _asked({}, "gi", pynvml.nvmlDeviceGetGpuInstanceId, part),
            _asked({}, "ci", pynvml.nvmlDeviceGetComputeInstanceId, part),
        ]
        same = {"index": parent["index"], "capability": parent["capability"], "parent": parent["uuid"]}
        found.append(_described(part, errors) | same | {"mig": True, "instance": ids})
    return found


def _described(handle: Any, errors: dict[str, int]) -> dict[str, Any]:
    memory = _asked(errors, "memory", pynvml.nvmlDeviceGetMemoryInfo, handle)
    return {
        "uuid": _asked(errors, "uuid", pynvml.nvmlDeviceGetUUID, handle),
        "name": _asked(errors, "name", pynvml.nvmlDeviceGetName, handle),
        "total": None if memory is None else memory.total,
        "free": None if memory is None else memory.free,
        "errors": errors,
    }


def _asked(errors: dict[str, int], what: str, ask: Callable[..., Any], *given: Any) -> Any:
    """The answer, or None with the error noted: one refused question must not cost the others."""
    try:
        return ask(*given)
    except pynvml.NVMLError as error:
        errors[what] = error.value
        return None


if __name__ == "__main__":
    sys.exit(main())
