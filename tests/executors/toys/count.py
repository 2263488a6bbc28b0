"""Counts: folds a number per step into a hash, checkpoints each, and can be told to end badly in every known way."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from advisor.domain.base import Frozen
from advisor.domain.errors import AdvisorError, Diagnostic, ExitCode, Severity
from executors.protocol import Inputs, Machine, Say, Stopped

REQUIRES: tuple[str, ...] = ("pydantic",)


class Config(Frozen):
    steps: int = 5
    seconds: float = 0.0
    loss: float = 1.0
    end: str = ""
    refuse: str = ""
    size: int = 0
    machines: int = 1
    """As a training has it; counting is done by one."""
    once: str = ""
    """A file: the bad end happens only while it does not exist."""


def milder(config: Config) -> dict[str, Any] | None:
    """Half of what the loss is above 1."""
    return {"loss": 1 + (config.loss - 1) / 2} if config.loss > 1.01 else None


def preflight(config: Config, inputs: Inputs, machine: Machine) -> list[Diagnostic]:
    if config.refuse:
        return [Diagnostic(severity=Severity.DANGER, code=config.refuse, text="refused", hint="do not")]
    return []


def run(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    done, state = _restore(Path(inputs.scratch) / "checkpoint.json", _start(inputs))
    for step in range(done, config.steps):
        time.sleep(config.seconds)
        state = hashlib.sha256(f"{state} {step} {inputs.seed}".encode()).hexdigest()
        _save(Path(inputs.scratch) / "checkpoint.json", step + 1, state)
        say.progress(step + 1, config.steps, "steps", "counting")
        say.metric("loss", 1.0 / (step + 1), at=step)
        if step == config.steps // 2:
            _end_badly(config, out, say)
        if say.should_stop() and config.end != "ignore-stop":
            raise Stopped
    (out / "state.txt").write_text(state)
    (out / "loss.txt").write_text(str(config.loss))
    if config.size:
        (out / "large.bin").write_bytes(b"\1" * config.size)


def _start(inputs: Inputs) -> str:
    texts = [Path(source.path, "state.txt") for source in inputs.roles.values()]
    return " ".join(path.read_text() for path in texts if path.exists())


def _restore(path: Path, start: str) -> tuple[int, str]:
    if not path.exists():
        return 0, start
    saved = json.loads(path.read_text())
    return saved["done"], saved["state"]


def _save(path: Path, done: int, state: str) -> None:
    beside = path.with_suffix(".tmp")
    beside.write_text(json.dumps({"done": done, "state": state}))
    beside.replace(path)


def _end_badly(config: Config, out: Path, say: Say) -> None:
    if config.once:
        if Path(config.once).exists():
            return
        Path(config.once).touch()
    ends: dict[str, Any] = {
        "memory": lambda: _raise(MemoryError()),
        "allocator": lambda: _raise(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes")),
        "disk": lambda: _raise(OSError(errno.ENOSPC, "No space left on device", "x")),
        "read-only": lambda: _raise(PermissionError(errno.EACCES, "Permission denied", "x")),
        "wrapped-disk": lambda: _raise(RuntimeError("I/O error: No space left on device (os error 28)")),
        "bad-data": lambda: _raise(AdvisorError("rows.jsonl:3: not JSON", code=ExitCode.BAD_INPUT)),
        "bug": lambda: _raise(ZeroDivisionError("a bug")),
        "exit": lambda: os._exit(9),
        "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
        "crash": lambda: ctypes.string_at(0),
        "print": lambda: _print_everywhere(),
        "hang": lambda: time.sleep(600),
        "hang-with-child": _hang_with_child,
        "flood": lambda: [say.metric("flood", float(n), at=n) for n in range(100_000)],
        "nothing": lambda: [path.unlink() for path in out.iterdir()],
    }
    ends.get(config.end, lambda: None)()


def _raise(error: Exception) -> None:
    raise error


def _print_everywhere() -> None:
    print('{"type": "step.progress", "done": 99}')
    os.write(1, b'{"type": "log.written", "text": "from descriptor 1"}\n')
    os.write(2, b"from descriptor 2\n")
    os.system("echo from a child")


def _hang_with_child() -> None:
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    time.sleep(600)
