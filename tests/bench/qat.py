"""Quantization-aware training against rounding afterwards: held-out loss at 4 and 3 bits after the same training.

The built-in model is fine-tuned (all weights) for some steps; then it goes on for as many again, once as before and
rounded by GPTQ afterwards, once with the rounding in every forward pass and stored as trained. The same data, order and
learning rate. `QAT_STEPS` sets the steps of each half.
"""

from __future__ import annotations

import math
import os
import tempfile
from pathlib import Path
from typing import Any

from tests.bench.child import in_process
from tests.bench.compression import CALIBRATION, MODEL, perplexity

STEPS = int(os.environ.get("QAT_STEPS", "20"))
TRAINING: dict[str, Any] = {
    "data": CALIBRATION["data"],
    "method": "full",
    "max_steps": STEPS,
    "micro_batch": 8,
    "seq_len": 256,
    "learning_rate": 1e-4,
}


def run() -> None:
    """Print the held-out loss of every variant."""
    from executors.tensors.folder import open_model

    with tempfile.TemporaryDirectory() as place:
        tuned = _made(place, "tuned", "finetune", TRAINING, MODEL)
        further = _made(place, "further", "finetune", TRAINING, tuned)
        rows = [("before", MODEL, "causal-lm"), ("fine-tuned", tuned, "causal-lm"), ("further", further, "causal-lm")]
        for bits in (4, 3):
            packed = {"bits": bits, "group_size": 64}
            gptq = {**CALIBRATION, "format": "gptq", **packed}
            rows.append((f"further, then GPTQ {bits} bits", _made(place, f"g{bits}", "quantize", gptq, further), ""))
            rows.append((f"QAT {bits} bits", _made(place, f"q{bits}", "qat", {**TRAINING, **packed}, tuned), ""))
        lora = {**TRAINING, "method": "lora", "learning_rate": 1e-3, "bits": 4, "group_size": 64}
        rows.append(("QAT 4 bits with LoRA", _made(place, "lora", "qat", lora, tuned), ""))
        print(f"{STEPS} steps of 8 sequences of at most 256 tokens in each half\n")
        print("| model | held-out loss, nats/token | MB |\n| --- | --- | --- |")
        for name, path, kind in rows:
            loss = math.log(perplexity(path, kind or "quantized-lm"))
            size = sum(file.stat().st_size for file in open_model(path).path.glob("*.safetensors")) / 1e6
            print(f"| {name} | {loss:.4f} | {size:.1f} |", flush=True)


def _made(place: str, name: str, executor: str, config: dict[str, Any], model: str) -> str:
    out = Path(place) / name
    in_process(executor, config, {"model": model}, "causal-lm", out, scratch=Path(place) / f"{name}-scratch")
    return str(out)
