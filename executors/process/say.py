"""`Channel`: the worker's side of `Say`, one JSON line per event on a private descriptor.

An executor may report as often as it likes: of each name at most twenty progress or metric events a second are sent,
the newest of those held back follows within 50 ms, and none is held back past the end.
"""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from advisor.domain.event import Unit

INTERVAL = 0.05
"""Seconds between two events of one name."""
LONGEST_TEXT = 4000


class Channel:
    """Implements `executors.protocol.Say` over a file descriptor."""

    def __init__(self, descriptor: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._descriptor, self._clock = descriptor, clock
        self._sent: dict[str, float] = {}
        self._held: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._closed = threading.Event()
        self._flusher = threading.Thread(target=self._flush_regularly, name="say", daemon=True)
        self._flusher.start()

    def progress(self, done: float, total: float | None, unit: Unit, what: str = "") -> None:
        event = {"type": "step.progress", "done": _finite(done), "total": _finite(total), "unit": unit, "what": what}
        self._limited("progress", event)

    def metric(self, name: str, value: float, unit: str = "", at: float | None = None) -> None:
        event = {"type": "metric.reported", "name": name, "value": _finite(value), "unit": unit, "at": _finite(at)}
        self._limited(f"metric {name}", event)

    def diagnostic(self, severity: str, code: str, text: str, because: str = "", hint: str = "") -> None:
        event = {"severity": str(severity), "code": code, "text": text, "because": because, "hint": hint}
        self.send({"type": "diagnostic.raised", **event})

    def log(self, text: str) -> None:
        self.send({"type": "log.written", "text": text[:LONGEST_TEXT]})

    def should_stop(self) -> bool:
        return self._stop.is_set()

    def ask_to_stop(self) -> None:
        """What SIGTERM does: `should_stop` is true from now on."""
        self._stop.set()

    def send(self, event: dict[str, Any]) -> None:
        """Send one event now, after everything held back. Raises OSError when nobody reads any more."""
        with self._lock:
            self._flush()
            self._write(event)

    def close(self) -> None:
        """Send what was held back and stop the thread that does so."""
        self._closed.set()
        self._flusher.join()
        with self._lock:
            self._flush()

    def _limited(self, name: str, event: dict[str, Any]) -> None:
        now = self._clock()
        with self._lock:
            if now - self._sent.get(name, -math.inf) >= INTERVAL:
                self._held.pop(name, None)
                self._sent[name] = now
                self._write(event)
            else:
                self._held[name] = event

    def _flush_regularly(self) -> None:
        while not self._closed.wait(INTERVAL):
            now = self._clock()
            with self._lock:
                due = [name for name in self._held if now - self._sent[name] >= INTERVAL]
                for name in due:
                    self._sent[name] = now
                    self._write(self._held.pop(name))

    def _flush(self) -> None:
        for event in self._held.values():
            self._write(event)
        self._held.clear()

    def _write(self, event: dict[str, Any]) -> None:
        data = json.dumps(event, allow_nan=False, default=str).encode() + b"\n"
        while data:
            data = data[os.write(self._descriptor, data) :]


def _finite(value: float | None) -> float | None:
    """JSON has no word for NaN and infinity: they travel as null, and the executor says what happened."""
    return None if value is None or not math.isfinite(value) else float(value)
