"""`StopSignal`: SIGTERM and SIGINT as something a `select` can wait for."""

from __future__ import annotations

import os
import signal
from types import FrameType


class StopSignal:
    """Set once by a signal, or by `ask`; readable on `descriptor` from then on."""

    def __init__(self) -> None:
        self.descriptor, self._writer = os.pipe()
        self.number: int | None = None

    def listen(self) -> None:
        """Install the handlers. The run goes on when a terminal is closed."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    @property
    def is_set(self) -> bool:
        return self.number is not None

    @property
    def exit_code(self) -> int:
        """130 or 143, by the signal."""
        return 128 + (self.number or signal.SIGTERM)

    def ask(self, number: int = signal.SIGTERM) -> None:
        if self.number is None:
            self.number = number
            os.write(self._writer, b"s")

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.ask(number)
