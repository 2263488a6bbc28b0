"""Cold start of the commands people wait for, as whole processes; beside it what Python and pydantic alone take."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.bench.machine import time_process

SAMPLE = "trees/answers/smollm2-stdlib.yaml"
ADVISOR = str(Path(sys.executable).with_name("advisor"))
COMMANDS = {
    "python -c pass (limit)": [sys.executable, "-c", "pass"],
    "python, import pydantic.main (limit)": [sys.executable, "-c", "import pydantic.main"],
    "advisor --version": [ADVISOR, "--version"],
    "advisor --non-interactive SAMPLE --format json": [ADVISOR, "--non-interactive", SAMPLE, "--format", "json"],
    "advisor matrix --json": [ADVISOR, "matrix", "--json"],
    "advisor hardware --json": [ADVISOR, "hardware", "--json"],
}


def run() -> None:
    """Print fastest, median and slowest of eleven runs each."""
    for name, command in COMMANDS.items():
        fastest, median, slowest = time_process(command)
        print(f"  {name:<50} {median * 1000:6.0f} ms  [{fastest * 1000:.0f}-{slowest * 1000:.0f}]")
