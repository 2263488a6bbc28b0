"""What a figure was measured on, and whole-process timing."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version

from advisor.probe.hardware import probe_hardware

PACKAGES = ("technique-advisor", "torch", "transformers", "peft", "trl", "bitsandbytes", "gguf", "textual", "pydantic")


def describe() -> str:
    """Machine and versions in two lines, printed above every set of figures."""
    hardware = probe_hardware()
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    cpu = f"{hardware.cpu.name}, {hardware.cpu.cores} cores, {hardware.ram_gib:.0f} GiB"
    return f"machine: {cpu}, Python {platform.python_version()}\nversions: {', '.join(found)}"


def time_process(command: list[str], runs: int = 11, warmup: int = 2) -> tuple[float, float, float]:
    """(fastest, median, slowest) wall seconds of whole processes; their output is read and dropped."""
    seconds = []
    # Whoever uses the command has compiled modules; without them the warm-up would compile in vain.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    for number in range(warmup + runs):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
        if number >= warmup:
            seconds.append(time.perf_counter() - start)
    return min(seconds), statistics.median(seconds), max(seconds)
