"""Peak memory of steps that stream: a random model of 4 GB pruned, merged, quantized and exported.

Each step is a process of its own with two threads; torch and all libraries count. Few and short calibration sequences
(8 of 128 tokens): they set the activations, not what the weights need. `STREAMING` names steps to run alone, separated
by commas.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.child import in_process
from tests.bench.compression import MODEL
from tests.bench.synthetic import write_model

CALIBRATION = {"data": {"path": "builtin:stdlib", "kind": "text"}, "sequences": 8, "seq_len": 128}
CASES: dict[str, tuple[str, dict[str, Any], float | None]] = {
    "magnitude 50 %": ("prune", {"method": "magnitude"}, 1.5),
    "linear merge of two": ("merge", {"method": "linear"}, 1.5),
    "wanda 50 %": ("prune", {**CALIBRATION, "method": "wanda"}, 2.5),
    "gptq 4 bits": ("quantize", {**CALIBRATION, "format": "gptq"}, 2.5),
    "awq 4 bits": ("quantize", {**CALIBRATION, "format": "awq"}, 2.5),
    "gguf Q8_0": ("quantize", {"format": "gguf", "type": "Q8_0"}, None),
}


def run() -> None:
    """Print peak resident memory, seconds and sizes of each step."""
    from executors.tensors.folder import open_model

    wanted = [name for name in os.environ.get("STREAMING", "").split(",") if name]
    with tempfile.TemporaryDirectory() as place:
        model = write_model(Path(place) / "model", open_model(MODEL).path)
        folder = open_model(model)
        print(f"model: {folder.params / 1e9:.2f} billion parameters, {folder.bytes / 1e9:.2f} GB, bfloat16\n")
        print("| step | peak RSS GiB | at most | seconds | written GB |")
        print("| --- " * 5 + "|")
        for name, (executor, config, limit) in CASES.items():
            if wanted and name.split()[0] not in wanted:
                continue
            out = Path(place) / "out"
            roles = {"model": str(model)}
            if executor == "merge":
                roles = {"models.0": str(model), "models.1": str(model)}
            start = time.perf_counter()
            said = in_process(executor, config, roles, "causal-lm", out)
            seconds = time.perf_counter() - start
            size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
            bound = f"{limit:.1f}" if limit else "-"
            print(
                f"| {name} | {said['peak_mib'] / 1024:.2f} | {bound} | {seconds:.0f} | {size / 1e9:.2f} |", flush=True
            )
            for file in out.iterdir():
                file.unlink()
            out.rmdir()
