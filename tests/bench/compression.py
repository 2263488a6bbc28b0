"""Pruning and quantizing the built-in model with calibration: seconds, peak memory, perplexity before and after.

Own side only. Each run is a process of its own with two threads and the environment of a worker; what it takes from
start to written artifact counts, imports and checks included. Other work on the machine shows in these figures, so its
load is printed beside them.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.child import in_process

RUNS = 3
CALIBRATION = {"data": {"path": "builtin:stdlib", "kind": "instructions"}, "sequences": 64, "seq_len": 256}
EVALUATION = {"max_examples": 128, "multiple_choice": 0, "generate_tokens": 0}
GENERAL = {"path": "builtin:reference", "kind": "text"}
"""Text of another kind than what was calibrated with."""
MODEL = "builtin:smollm2-135m-instruct"
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "wanda 50 %": ("prune", "sparse-lm", {"method": "wanda"}),
    "sparsegpt 50 %": ("prune", "sparse-lm", {"method": "sparsegpt"}),
    "sparsegpt 2:4": ("prune", "sparse-lm", {"method": "sparsegpt", "pattern": "2:4"}),
    "gptq 4 bits": ("quantize", "quantized-lm", {"format": "gptq", "bits": 4}),
    "awq 4 bits": ("quantize", "quantized-lm", {"format": "awq", "bits": 4}),
    "gptq 8 bits": ("quantize", "quantized-lm", {"format": "gptq", "bits": 8}),
}


def run() -> None:
    """Print the median of three runs of each case, and what it did to the held-out perplexity."""
    print(f"before: perplexity {perplexity(MODEL, 'causal-lm'):.3f}\n")
    print("| case | seconds (median of 3) | fastest | peak RSS MiB | MB on disk | perplexity | load average |")
    print("| --- " * 7 + "|")
    with tempfile.TemporaryDirectory() as place:
        for name, (executor, kind, settings) in CASES.items():
            seconds, peak = [], 0
            for number in range(RUNS):
                out = Path(place) / f"{name}-{number}"
                took, peak = _timed(executor, {**CALIBRATION, **settings}, out)
                seconds.append(took)
            size = sum(file.stat().st_size for file in out.iterdir()) / 1e6
            print(
                f"| {name} | {statistics.median(seconds):.1f} | {min(seconds):.1f} | {peak} | {size:.1f} "
                f"| {perplexity(str(out), kind):.3f} | {os.getloadavg()[0]:.1f} |",
                flush=True,
            )


def _timed(executor: str, config: dict[str, Any], out: Path) -> tuple[float, int]:
    """Wall seconds of the process and its peak resident memory in MiB."""
    start = time.perf_counter()
    said = in_process(executor, config, {"model": MODEL}, "causal-lm", out)
    return time.perf_counter() - start, int(said["peak_mib"])


def perplexity(path: str, kind: str, data: Any = CALIBRATION["data"]) -> float:
    """Held-out perplexity of a model, measured in a process of its own."""
    config = {"data": data, **EVALUATION}
    with tempfile.TemporaryDirectory() as place:
        return float(in_process("evaluate", config, {"model": path}, kind, Path(place))["held_out_perplexity"])
