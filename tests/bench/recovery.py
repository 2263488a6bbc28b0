"""What distillation brings back of a depth-pruned model: held-out loss before and after, with intervals.

The built-in model loses a fifth of its layers; the unpruned model teaches what is left for 24 steps of 8 rows of up to
128 tokens, by its probabilities beside the labels; labels alone stand beside it for comparison. Each is measured on the
same 64 held-out rows; intervals are 95 %, paired bootstrap over the rows. Two threads.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from tests.bench.child import in_process

MODEL = "builtin:smollm2-135m-instruct"
DATA = {"path": "builtin:stdlib", "kind": "instructions"}
STEPS = 24
TRAINING = {"data": DATA, "max_steps": STEPS, "micro_batch": 8, "seq_len": 128, "learning_rate": 1e-4}
CASES: dict[str, dict[str, Any]] = {
    "probabilities and labels": {"form": "logits", "teacher_share": 0.5},
    "labels alone": {"form": "logits", "teacher_share": 0.0},
}


def run() -> None:
    """Print the held-out loss of the model, of what the cut left, and of each recovery."""
    with tempfile.TemporaryDirectory() as place:
        base = _measured(MODEL, Path(place) / "base")
        cut = Path(place) / "cut"
        _process("shrink", {"method": "depth", "layers": 0.2, "data": DATA, "seq_len": 128}, {"model": MODEL}, cut)
        before = _measured(str(cut), Path(place) / "before")
        print("| model | held-out loss, nats/token | against the cut model |")
        print("| --- " * 3 + "|")
        print(f"| unpruned | {_loss(base):.3f} | |")
        print(f"| a fifth of the layers left out | {_loss(before):.3f} | |", flush=True)
        for name, settings in CASES.items():
            out = Path(place) / name.replace(" ", "-")
            _process("distill", {**TRAINING, **settings}, {"model": str(cut), "teacher": MODEL}, out)
            after = _measured(str(out), Path(place) / f"{out.name}-measured")
            low, high = _interval(before, after)
            change = f"{_loss(after) - _loss(before):+.3f} [{low:+.3f} to {high:+.3f}]"
            print(f"| recovered by {name} | {_loss(after):.3f} | {change} |", flush=True)


def _measured(path: str, out: Path) -> dict[str, Any]:
    config = {"data": DATA, "max_examples": 64, "seq_len": 128, "multiple_choice": 0, "generate_tokens": 0}
    _process("evaluate", config, {"model": path}, out)
    found: dict[str, Any] = json.loads((out / "evaluation.json").read_text())
    return found


def _loss(evaluation: dict[str, Any]) -> float:
    return float(next(m["value"] for m in evaluation["metrics"] if m["name"] == "held_out_loss"))


def _interval(before: dict[str, Any], after: dict[str, Any]) -> tuple[float, float]:
    """95 % interval of the change of the mean loss over tokens: rows drawn anew 2,000 times, seed 0."""
    import random

    weights = before["weights"]["held_out_loss"]
    rows = list(
        zip(before["per_example"]["held_out_loss"], after["per_example"]["held_out_loss"], weights, strict=True)
    )
    draw = random.Random(0)
    changes = []
    for _ in range(2000):
        chosen = draw.choices(rows, k=len(rows))
        changes.append(sum((b - a) * w for a, b, w in chosen) / sum(w for _, _, w in chosen))
    changes.sort()
    return changes[50], changes[-51]


def _process(executor: str, config: dict[str, Any], models: dict[str, str], out: Path) -> None:
    in_process(executor, config, models, "causal-lm", out, f"{out}-scratch")
