"""What supervisor and live view cost a training: the same LoRA training bare and through `advisor run` in a terminal.

Both train the same rows with the same seed and threads. Timed from the first to the last reported step, by the
listener's clock in the bare run and by the events of the other; `advisor run` draws its live view into a
pseudo-terminal meanwhile. Each is first in every other pair; median of OVERHEAD_RUNS pairs of OVERHEAD_STEPS steps.
"""

from __future__ import annotations

import json
import os
import pty
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

MODEL = "builtin:smollm2-135m-instruct"
STEPS = int(os.environ.get("OVERHEAD_STEPS", "60"))
RUNS = int(os.environ.get("OVERHEAD_RUNS", "5"))
THREADS = int(os.environ.get("OMP_NUM_THREADS", "2"))
DATA = {"path": "builtin:stdlib", "kind": "instructions"}
CONFIG = {"data": DATA, "method": "lora", "max_steps": STEPS, "micro_batch": 8, "seq_len": 256, "eval_steps": STEPS}


def run() -> None:
    """Print seconds of each and the difference."""
    bare, supervised = [], []
    sides = [(bare, _bare), (supervised, _supervised)]
    for number in range(RUNS):
        with tempfile.TemporaryDirectory() as place:
            # In turn first, so that a machine that gets faster or slower favours neither.
            for times, training in sides if number % 2 == 0 else reversed(sides):
                times.append(training(Path(place)))
        print(bare[-1], supervised[-1], file=sys.stderr, flush=True)
    changes = [other / one - 1 for one, other in zip(bare, supervised, strict=True)]
    print(f"{STEPS} steps of LoRA on {MODEL}, {RUNS} pairs, {THREADS} threads.\n")
    print("| training | seconds (median) | fastest | slowest |\n| --- | --- | --- | --- |")
    for name, found in (("bare executor", bare), ("advisor run, live view", supervised)):
        print(f"| {name} | {statistics.median(found):.2f} | {min(found):.2f} | {max(found):.2f} |")
    print(f"\nOverhead: {statistics.median(changes):+.2%} (median of the pairs, {min(changes):+.2%} to "
          f"{max(changes):+.2%}).")  # fmt: skip


def _bare(place: Path) -> float:
    """Seconds of the executor's own call in a process of its own, with the environment of a worker."""
    command = [sys.executable, "-m", "tests.bench.overhead", str(place)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return float(done.stdout.splitlines()[-1])


def _supervised(place: Path) -> float:
    """Seconds of the same training in a run that a terminal follows."""
    step = {"number": 1, "technique": "lora", "family": "finetune", "executor": "finetune", "config": CONFIG,
            "inputs": {"model": "base"}, "produces": "adapter"}  # fmt: skip
    measured = {"data": DATA, "max_examples": 4, "seq_len": 256, "multiple_choice": 0, "generate_tokens": 0}
    plan = {"schema": 1, "name": "overhead", "model": {"kind": "causal-lm", "path": MODEL}, "steps": [step],
            "threads": THREADS, "evaluation": {"executor": "evaluate", "config": measured}}  # fmt: skip
    file = place / "plan.json"
    file.write_text(json.dumps(plan))
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "advisor", "run", str(file), "--run-dir", str(place / "run")]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    threading.Thread(target=_drain, args=(ours,), daemon=True).start()
    if process.wait():
        raise RuntimeError(f"advisor run ended with {process.returncode}")
    lines = (json.loads(line) for line in (place / "run" / "events.jsonl").read_text().splitlines())
    said = [e for e in lines if e["type"] == "metric.reported" and e["name"] == "loss" and e.get("at") in (1, STEPS)]
    return float(said[-1]["time"] - said[0]["time"])


def _drain(terminal: int) -> None:
    """Read what is drawn, as a terminal does."""
    while True:
        try:
            if not os.read(terminal, 65536):
                return
        except OSError:
            return


class Clock:
    """A listener that keeps the moments of the first and the last reported loss."""

    def __init__(self) -> None:
        self.moments: dict[float, float] = {}

    def metric(self, name: str, value: float, unit: str = "", at: float | None = None) -> None:
        if name == "loss" and at in (1, STEPS):
            self.moments[at] = time.time()

    def progress(self, *told: Any, **more: Any) -> None: ...

    def diagnostic(self, *told: Any, **more: Any) -> None: ...

    def log(self, text: str) -> None: ...

    def should_stop(self) -> bool:
        return False


def _train(place: Path) -> None:
    from executors.process.environment import prepare_environment

    prepare_environment(THREADS)
    from executors import finetune
    from executors.protocol import Input, Inputs

    (place / "scratch").mkdir()
    clock = Clock()
    roles = {"model": Input.model_validate({"kind": "causal-lm", "path": MODEL})}
    inputs = Inputs(roles=roles, threads=THREADS, scratch=str(place / "scratch"))
    finetune.run(finetune.Config.model_validate(CONFIG), inputs, place / "out", clock)
    print(clock.moments[STEPS] - clock.moments[1])


if __name__ == "__main__":
    _train(Path(sys.argv[1]))
