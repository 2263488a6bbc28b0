"""`run_worker`: one worker process from its start to its last descendant's end.

Reads its events, samples its memory, passes a stop on, and turns however it ended into an `Outcome`.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from executors.process.machine import memory_limit_gib, oom_kills
from executors.process.sampler import Sampler
from executors.process.stop import StopSignal
from executors.process.trouble import STOPPED, Trouble, of_exit_status

GRACE = 4.0
"""Seconds from a stop to SIGKILL: a checkpoint is saved in less than two, and five are promised."""
SAMPLE_EVERY = 1.0
_SPOKEN = {"step.progress", "metric.reported", "diagnostic.raised", "log.written"}
_LONGEST_LINE = 1 << 20

Emit = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Outcome:
    """How one piece of work ended."""

    status: Literal["done", "failed", "stopped"]
    exit_code: int
    reason: str
    seconds: float
    peak_rss_gib: float | None
    peak_gpu_gib: float | None
    disk_gib: float | None = None


def run_worker(request: Path, emit: Emit, stop: StopSignal, lock: int, started: Callable[[int], None]) -> Outcome:
    """Run the worker of `request` until nothing of it is left. `emit` gets its events, `started` its pid.

    `lock` is the run's lock: the worker inherits it, so that nobody runs here while it lives.
    Raises OSError when `emit` cannot write; the worker is gone then, too.
    """
    worker = _Worker(request, emit, stop, lock)
    try:
        started(worker.pid)
        worker.attend()
    finally:
        worker.end()
    return worker.outcome()


class _Worker:
    """The supervisor's side of one worker."""

    def __init__(self, request: Path, emit: Emit, stop: StopSignal, lock: int) -> None:
        self._emit, self._stop = emit, stop
        self._began = time.monotonic()
        self._kills = oom_kills()
        lifeline, self._lifeline = os.pipe()
        with (request.parent / "output.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "executors.worker", str(request), str(lifeline)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=request.parent,
                start_new_session=True,
                pass_fds=(lifeline, lock),
            )
        os.close(lifeline)
        self.pid = self._process.pid
        self._sampler = Sampler(self.pid)
        self._buffer = b""
        self._was_opened = False
        self._closed: dict[str, Any] | None = None
        self._told_at: float | None = None
        self._status: int | None = None

    def attend(self) -> None:
        """Read, sample and pass on a stop until the process has ended."""
        assert self._process.stdout is not None
        stream = self._process.stdout.fileno()
        os.set_blocking(stream, False)
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            if not self._stop.is_set:
                selector.register(self._stop.descriptor, selectors.EVENT_READ)
            next_sample = self._began
            while not self._has_ended():
                ready = {key.fd for key, _ in selector.select(0.05 if stream not in selector.get_map() else 0.2)}
                if stream in ready and not self._read(stream):
                    selector.unregister(stream)
                if self._stop.is_set:
                    if self._stop.descriptor in selector.get_map():
                        selector.unregister(self._stop.descriptor)
                    self._pass_on_stop()
                if time.monotonic() >= next_sample:
                    next_sample = time.monotonic() + SAMPLE_EVERY
                    self._sample()
        self._read(stream)

    def end(self) -> None:
        """Kill what is left of the process group and reap the worker."""
        if self._status is None:
            self._kill_group()
            _, status, usage = os.wait4(self.pid, 0)
            self._status = self._process.returncode = os.waitstatus_to_exitcode(status)
            self._sampler.note_rss(usage.ru_maxrss * _RSS_UNIT / 2**30)
            self._sampler.close()
            os.close(self._lifeline)
            if self._process.stdout is not None:
                self._process.stdout.close()

    def outcome(self) -> Outcome:
        """What became of it; a worker that died silently gets its sentence here."""
        seconds, status = time.monotonic() - self._began, self._status if self._status is not None else -1
        peaks = (self._sampler.peak_rss_gib, self._sampler.peak_gpu_gib)
        if self._closed is not None and status == int(self._closed.get("exit_code", 1)):
            word = self._closed.get("status")
            ended: Literal["done", "failed", "stopped"] = "failed"
            if word == "done" or word == "stopped":
                ended = word
            return Outcome(ended, status, str(self._closed.get("reason", "")), seconds, *peaks)
        if self._stop.is_set:
            return Outcome("stopped", STOPPED, "ended before it had saved; goes on from its last save", seconds, *peaks)
        trouble = self._trouble(status)
        self._emit({"type": "diagnostic.raised", "severity": "danger", **_fields(trouble)})
        return Outcome("failed", trouble.exit_code or 1, trouble.text, seconds, *peaks)

    def _trouble(self, status: int) -> Trouble:
        kills = oom_kills()
        is_certain = kills is not None and self._kills is not None and kills > self._kills
        peak = self._sampler.peak_rss_gib or 0.0
        memory = f"peak {peak:.2f} GiB of {memory_limit_gib():.2f} GiB"
        return of_exit_status(status, self._was_opened, memory, is_certain)

    def _has_ended(self) -> bool:
        """True once it is a zombie: it still holds its group's number, so the group can be killed safely."""
        return self._sampler.is_zombie()

    def _pass_on_stop(self) -> None:
        now = time.monotonic()
        if self._told_at is None:
            self._told_at = now
            os.kill(self.pid, signal.SIGTERM)
        elif now - self._told_at > GRACE:
            self._kill_group()

    def _kill_group(self) -> None:
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return

    def _sample(self) -> None:
        fields = self._sampler.sample()
        if fields is not None:
            self._emit({"type": "resource.sampled", **fields})

    def _read(self, stream: int) -> bool:
        """Take in what the worker said. False at the end of the stream."""
        while True:
            try:
                data = os.read(stream, 1 << 16)
            except BlockingIOError:
                return True
            if not data:
                return False
            *lines, self._buffer = (self._buffer + data).split(b"\n")
            self._buffer = self._buffer[-_LONGEST_LINE:]
            for line in lines:
                self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            event = json.loads(line)
            kind = event["type"]
        except (ValueError, KeyError, TypeError):
            return
        if kind == "opened":
            self._was_opened = True
        elif kind == "closed":
            self._closed = event
        elif kind in _SPOKEN:
            self._emit(event)


_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


def _fields(trouble: Trouble) -> dict[str, str]:
    return {"code": trouble.code, "text": trouble.text, "because": trouble.because, "hint": trouble.hint}
