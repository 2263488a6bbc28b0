"""Reading the events of a run while it writes them, without ever disturbing it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from advisor.domain.event import Event, RunFinished, RunStarted, parse_event
from advisor.runs.places import EVENTS
from advisor.runs.prepare import holder

_BLOCK = 1 << 20


def tail(run_dir: Path, offset: int = 0) -> tuple[list[Event], int]:
    """The events after byte `offset` that are whole by now (at most about 1 MiB of them), and the next offset.

    Returns at once. A torn line is left for later, an unreadable one is passed over. A file that was
    replaced by a shorter one is read from its start.
    """
    try:
        with (run_dir / EVENTS).open("rb") as file:
            if file.seek(0, 2) < offset:
                offset = 0
            file.seek(offset)
            block = file.read(_BLOCK)
            if len(block) == _BLOCK and b"\n" not in block:
                block += file.readline()
    except FileNotFoundError:
        return [], offset
    end = block.rfind(b"\n") + 1
    events = [event for line in block[:end].splitlines() if (event := parse_event(line)) is not None]
    return events, offset + end


class Follower:
    """One reader of a run. `events` can be left and entered again: it goes on where it was."""

    def __init__(self, run_dir: Path, offset: int = 0, poll: float = 0.2) -> None:
        self.run_dir, self.offset, self._poll = run_dir, offset, poll
        self._is_over = False

    def events(self) -> Iterator[Event]:
        """Every event so far and to come. Ends when the run has finished, or when nobody runs it any more."""
        while True:
            is_active = holder(self.run_dir) is not None
            before = self.offset
            found, self.offset = tail(self.run_dir, self.offset)
            for event in found:
                self._note(event)
                yield event
            if self.offset != before:
                continue
            if self._is_over or not is_active:
                return
            time.sleep(self._poll)

    def _note(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._is_over = False
        elif isinstance(event, RunFinished):
            self._is_over = True


def follow(run_dir: Path, poll: float = 0.2) -> Iterator[Event]:
    """Every event of a run from its first, ending when it has finished or nobody runs it any more."""
    return Follower(run_dir, poll=poll).events()
