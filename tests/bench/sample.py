"""The sample, end to end on this machine: the report of the run, with the memory and time predicted for each step."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

SAMPLE = "trees/answers/smollm2-stdlib.yaml"


def run() -> None:
    """Execute the sample in a folder of its own and print the report as Markdown."""
    with tempfile.TemporaryDirectory() as place:
        folder = str(Path(place) / "run")
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "advisor", "run", SAMPLE, "--run-dir", folder], check=True, stdout=subprocess.DEVNULL
        )
        seconds = time.perf_counter() - start
        report = subprocess.run(
            [sys.executable, "-m", "advisor", "report", folder, "--format", "markdown"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
    print(report.stdout.replace(folder, "RUN"))
    print(f"advisor run {SAMPLE}: {seconds:.0f} s")
