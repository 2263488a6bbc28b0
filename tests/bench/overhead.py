"""What supervisor, live view and app cost a training: the same LoRA training bare, through `advisor run` and the app.

All train the same rows with the same seed and threads. Timed from the first to the last reported step, by the
listener's clock in the bare run and by the events of the others; `advisor run` draws its live view into a
pseudo-terminal meanwhile, and for the third the app, in another one, shows the same run beside it. Each is first in
turn; median of OVERHEAD_RUNS rounds of OVERHEAD_STEPS steps.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
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
    """Print seconds of each and the differences."""
    sides = {"bare executor": _bare, "advisor run, live view": _supervised, "the app beside it": _in_the_app}
    found: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(RUNS):
        # In turn first, so that a machine that gets faster or slower favours none.
        turn = number % len(sides)
        for name in [*list(sides)[turn:], *list(sides)[:turn]]:
            with tempfile.TemporaryDirectory() as place:
                found[name].append(sides[name](Path(place)))
        print({name: round(times[-1], 2) for name, times in found.items()}, file=sys.stderr, flush=True)
    bare = next(iter(found.values()))
    print(f"{STEPS} steps of LoRA on {MODEL}, {RUNS} rounds, {THREADS} threads.\n")
    print("| training | seconds (median) | fastest | slowest | overhead (median of rounds) | least | most |")
    print("| --- " * 7 + "|")
    for name, times in found.items():
        changes = [other / one - 1 for one, other in zip(bare, times, strict=True)]
        print(f"| {name} | {statistics.median(times):.2f} | {min(times):.2f} | {max(times):.2f} "
              f"| {statistics.median(changes):+.2%} | {min(changes):+.2%} | {max(changes):+.2%} |")  # fmt: skip


def _bare(place: Path) -> float:
    """Seconds of the executor's own call in a process of its own, with the environment of a worker."""
    command = [sys.executable, "-m", "tests.bench.overhead", str(place)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return float(done.stdout.splitlines()[-1])


def _supervised(place: Path) -> float:
    """Seconds of the same training in a run that a terminal follows."""
    return _timed(place, Terminal(place, "run", str(_plan(place))))


def _in_the_app(place: Path) -> float:
    """Seconds of that while the app shows the run, too."""
    process = Terminal(place, "run", str(_plan(place)))
    time.sleep(2)  # until the run stands in the history
    app = Terminal(place)
    app.press(b"h", after=3)
    app.press(b"\r", after=1)
    try:
        return _timed(place, process)
    finally:
        app.press(b"\x11", after=0)
        app.process.wait()
        if "measured" not in app.seen:
            raise RuntimeError("the app did not show the run")


def _plan(place: Path) -> Path:
    step = {"number": 1, "technique": "lora", "family": "finetune", "executor": "finetune", "config": CONFIG,
            "inputs": {"model": "base"}, "produces": "adapter"}  # fmt: skip
    measured = {"data": DATA, "max_examples": 4, "seq_len": 256, "multiple_choice": 0, "generate_tokens": 0}
    plan = {"schema": 1, "name": "overhead", "model": {"kind": "causal-lm", "path": MODEL}, "steps": [step],
            "threads": THREADS, "evaluation": {"executor": "evaluate", "config": measured}}  # fmt: skip
    file = place / "plan.json"
    file.write_text(json.dumps(plan))
    return file


def _timed(place: Path, training: Terminal) -> float:
    if training.process.wait():
        raise RuntimeError(f"advisor run ended with {training.process.returncode}")
    (file,) = place.rglob("events.jsonl")
    lines = (json.loads(line) for line in file.read_text().splitlines())
    said = [e for e in lines if e["type"] == "metric.reported" and e["name"] == "loss" and e.get("at") in (1, STEPS)]
    return float(said[-1]["time"] - said[0]["time"])


class Terminal:
    """`advisor` with these arguments in a terminal of its own, its data below `place`."""

    def __init__(self, place: Path, *arguments: str) -> None:
        self.seen = ""
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        command = [sys.executable, "-m", "advisor", *arguments]
        environment = {**os.environ, "XDG_DATA_HOME": str(place), "TERM": "xterm-256color"}
        self.process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
        os.close(theirs)
        threading.Thread(target=self._drain, daemon=True).start()

    def press(self, key: bytes, after: float) -> None:
        """Press a key after so many seconds."""
        time.sleep(after)
        os.write(self._ours, key)

    def _drain(self) -> None:
        while True:
            try:
                data = os.read(self._ours, 65536)
            except OSError:
                return
            if not data:
                return
            self.seen += data.decode(errors="replace")


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
