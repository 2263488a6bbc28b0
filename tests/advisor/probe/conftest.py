"""What the probe tests share: a compiled stand-in for NVML, and small safetensors files written by hand."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

STUB = Path(__file__).parents[2] / "data" / "nvml_stub.c"
PROBE = """
import json, sys, time
from advisor.probe.hardware import probe_hardware
start = time.perf_counter()
profile = probe_hardware(nvml_seconds=float(sys.argv[1]))
print(json.dumps({**profile.model_dump(mode="json"), "seconds": time.perf_counter() - start}))
"""


@pytest.fixture(scope="session")
def nvml_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the compiled stub `libnvidia-ml.so.1`."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs a C compiler on Linux")
    folder = tmp_path_factory.mktemp("nvml")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", folder / "libnvidia-ml.so.1", STUB], check=True)
    return folder


@pytest.fixture
def probe_with_stub(nvml_folder: Path) -> Callable[..., dict[str, Any]]:
    """Probes the hardware in a process of its own in which the stub is NVML; keywords are its environment."""

    def probe(seconds: float = 10.0, **environment: str) -> dict[str, Any]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("CUDA_")}
        env = {**kept, "LD_LIBRARY_PATH": str(nvml_folder), **environment}
        command = [sys.executable, "-c", PROBE, str(seconds)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=60)
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    return probe


Tensors = dict[str, tuple[str, list[int]]]
SIZES = {"F32": 4, "BF16": 2, "F16": 2, "U8": 1, "I32": 4}


def _write(path: Path, tensors: Tensors) -> None:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, (dtype, shape) in tensors.items():
        size = math.prod(shape) * SIZES[dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    raw = json.dumps(header).encode()
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + bytes(at))


@pytest.fixture
def write_safetensors() -> Callable[[Path, Tensors], None]:
    """Writes a safetensors file of zeros: name -> dtype and shape."""
    return _write
