"""Prompt, retrieval, adapter, and retrieval with adapter on the same held-out questions: `advisor compare` as printed.

The sample `trees/answers/compare-stdlib.yaml` on this machine, within twelve minutes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

SAMPLE, MINUTES = "trees/answers/compare-stdlib.yaml", "12"


def run() -> None:
    """Run the comparison in a folder of its own and print its report as Markdown."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "compare"
        start = time.perf_counter()
        command = [sys.executable, "-m", "advisor", "compare", SAMPLE, "--budget", MINUTES, "--run-dir", str(folder)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - start
        print((folder / "compare.md").read_text().replace(str(folder), "FOLDER"))
    print(f"advisor compare {SAMPLE} --budget {MINUTES}: {seconds:.0f} s")
