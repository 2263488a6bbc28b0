"""What supervisor, live view and app cost a training, from one training: while it goes on they are halted in turn.

A LoRA training through `advisor run`, whose live view draws into a pseudo-terminal; the app, in another one, shows the
same run. In windows of OVERHEAD_SECONDS, in changing order, OVERHEAD_CYCLES times, the app is stopped by a signal, or
the live view, or both and the supervisor. What a window took is read off the events of its steps, and where listeners
were halted up to the first step told after it. Neighbouring windows are compared, so that a machine that gets faster
or slower favours none; whole trainings one after another had differed by more than what is asked about. How long the
training's threads waited for a core, by the kernel's count, tells what its listeners took from it without the noise
of the machine.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import random
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MODEL = "builtin:smollm2-135m-instruct"
SECONDS = float(os.environ.get("OVERHEAD_SECONDS", "4"))
CYCLES = int(os.environ.get("OVERHEAD_CYCLES", "60"))
THREADS = int(os.environ.get("OMP_NUM_THREADS", "2"))
DATA = {"path": "builtin:stdlib", "kind": "instructions"}
STEPS = 100_000
"""More than there is time for; the training is ended when all windows are over."""
CONFIG = {"data": DATA, "method": "lora", "max_steps": STEPS, "micro_batch": 2, "seq_len": 256, "packing": True,
          "eval_steps": STEPS, "save_steps": STEPS}  # fmt: skip
ALONE, SUPERVISED, WATCHED = "nothing", "supervisor and live view", "supervisor and app"
SAMPLES = 10_000


class Step(NamedTuple):
    """A step of the training and when the supervisor heard of it."""

    number: int
    time: float


class Window(NamedTuple):
    """What went on in a stretch of time, told by who was running, and the seconds it may be judged by."""

    kind: str
    start: float
    stop: float
    waited: float
    """Seconds that threads of the training were ready and others ran, summed over threads."""


def run() -> None:
    """Print steps per second of each and the differences between neighbouring windows."""
    with tempfile.TemporaryDirectory() as place:
        windows, steps, cpu = _measure(Path(place))
    rates: dict[str, list[float]] = {kind: [] for kind in (ALONE, SUPERVISED, WATCHED)}
    waits: dict[str, list[float]] = {kind: [] for kind in rates}
    for window in windows:
        rates[window.kind].append(_seconds_per_step(window, steps))
        waits[window.kind].append(window.waited / (window.stop - window.start))
    print(f"LoRA on {MODEL}, {THREADS} threads, {CYCLES} windows of {SECONDS:.0f} s of each kind in one training.\n")
    print("| beside the training | s per step (median) | least | most | overhead (median of pairs) | 95 % interval "
          "| waited for a core, of the time (median) | CPU of one core |")  # fmt: skip
    print("| --- " * 8 + "|")
    for kind, found in rates.items():
        changes = [own / alone - 1 for own, alone in zip(found, rates[ALONE], strict=True)]
        low, high = _interval(changes)
        print(f"| {kind} | {statistics.median(found):.4f} | {min(found):.4f} | {max(found):.4f} "
              f"| {statistics.median(changes):+.2%} | [{low:+.2%}, {high:+.2%}] "
              f"| {statistics.median(waits[kind]):.2%} | {cpu.get(kind, 0.0):.1%} |", flush=True)  # fmt: skip


def _interval(changes: list[float]) -> tuple[float, float]:
    """The middle 95 % of medians of samples drawn anew (percentile bootstrap)."""
    draw = random.Random(0)
    medians = sorted(statistics.median(draw.choices(changes, k=len(changes))) for _ in range(SAMPLES))
    return medians[SAMPLES // 40], medians[-SAMPLES // 40]


def _measure(place: Path) -> tuple[list[Window], list[Step], dict[str, float]]:
    """Windows, steps, and the CPU seconds per second of what runs in each kind of window."""
    training = Terminal(place, "run", str(_plan(place)))
    time.sleep(2)  # until the run stands in the history
    app = Terminal(place)
    app.press(b"h", after=3)
    app.press(b"\r", after=1)
    supervisors: list[int] = []
    try:
        while not (events := list(place.rglob("events.jsonl"))) or not _steps(events[0]):
            time.sleep(0.5)
        supervisors = _children(training.process.pid)
        time.sleep(SECONDS)
        windows, cpu = _take_turns(training, app)
        time.sleep(5)  # until steps after the last window are told
        if "measured" not in app.seen:
            raise RuntimeError("the app did not show the run")
        if training.process.poll() is not None or app.process.poll() is not None:
            raise RuntimeError("live view or app ended before the training")
        return windows, _steps(events[0]), cpu
    finally:
        _send(signal.SIGTERM, supervisors)  # It takes its worker along, at the end of a step.
        while any(Path(f"/proc/{process}").exists() for process in supervisors):
            time.sleep(0.2)
        for terminal in (training, app):
            terminal.process.terminate()
            terminal.process.wait(30)


def _take_turns(training: Terminal, app: Terminal) -> tuple[list[Window], dict[str, float]]:
    order, windows = random.Random(1), []
    # The live view's process and the supervisor it started, whose own child trains.
    (supervisor,) = _children(training.process.pid)
    beside, shown, (worker,) = [training.process.pid, supervisor], app.process.pid, _children(supervisor)
    spent: dict[str, float] = {SUPERVISED: 0.0, WATCHED: 0.0}
    for _ in range(CYCLES):
        for kind in order.sample([ALONE, SUPERVISED, WATCHED], 3):
            halted = {ALONE: [*beside, shown], SUPERVISED: [shown], WATCHED: beside[:1]}[kind]
            before = sum(map(_cpu, [*beside, shown]))
            _send(signal.SIGSTOP, halted)
            start, waited = time.time(), _waited(worker)
            time.sleep(SECONDS)
            stop, waited = time.time(), _waited(worker) - waited
            _send(signal.SIGCONT, halted)
            windows.append(Window(kind, start, stop, waited))
            if kind != ALONE:
                spent[kind] += sum(map(_cpu, [*beside, shown])) - before
            time.sleep(1)  # What was held back is caught up with; it belongs to no window.
    return windows, {kind: seconds / (CYCLES * SECONDS) for kind, seconds in spent.items()}


def _seconds_per_step(window: Window, steps: list[Step]) -> float:
    """Over the steps told in the window; where listeners were halted, from the last told before to the first told well
    after it, since they hear late of those between."""
    if window.kind == ALONE:
        first = max(step for step in steps if step.time <= window.start)
        last = min(step for step in steps if step.time >= window.stop + 0.2)
    else:
        first = min(step for step in steps if step.time >= window.start)
        last = max(step for step in steps if step.time <= window.stop)
    return (last.time - first.time) / (last.number - first.number)


def _send(what: signal.Signals, processes: list[int]) -> None:
    for process in processes:
        os.kill(process, what)


def _children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def _waited(process: int) -> float:
    """Seconds that its threads have stood in a queue for a core so far."""
    files = Path(f"/proc/{process}/task").glob("*/schedstat")
    return sum(int(file.read_text().split()[1]) for file in files) / 1e9


def _cpu(process: int) -> float:
    """CPU seconds of this one process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _steps(events: Path) -> list[Step]:
    return list(_told(events))


def _told(events: Path) -> Iterator[Step]:
    for line in events.read_text().splitlines():
        event = json.loads(line)
        if event["type"] == "metric.reported" and event["name"] == "loss" and event.get("at"):
            yield Step(int(event["at"]), float(event["time"]))


def _plan(place: Path) -> Path:
    step = {"number": 1, "technique": "lora", "family": "finetune", "executor": "finetune", "config": CONFIG,
            "inputs": {"model": "base"}, "produces": "adapter"}  # fmt: skip
    measured = {"data": DATA, "max_examples": 4, "seq_len": 256, "multiple_choice": 0, "generate_tokens": 0}
    plan = {"schema": 1, "name": "overhead", "model": {"kind": "causal-lm", "path": MODEL}, "steps": [step],
            "threads": THREADS, "evaluation": {"executor": "evaluate", "config": measured}}  # fmt: skip
    file = place / "plan.json"
    file.write_text(json.dumps(plan))
    return file


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
