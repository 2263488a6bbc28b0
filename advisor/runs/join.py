"""Takes part, from another machine, in the trainings of a run that are shared by several, until the run has ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from advisor.domain.errors import AdvisorError, ExitCode
from advisor.domain.run import RunState
from advisor.files import read_plan
from advisor.runs.follow import tail
from advisor.runs.places import EVENTS, PLAN
from advisor.runs.prepare import groups_of, holder, nobody_runs, take_part

POLL_SECONDS = 0.2
SILENT_SECONDS = 120.0
"""Without a new event, and without the run's lock being seen here: a run at work tells of itself each second, and a
network file system may hold that back for half a minute."""


def join(run_dir: Path, tell: Callable[[str], None], silent: float = SILENT_SECONDS) -> RunState:
    """Take part until the run has ended; how it ended.

    Raises AdvisorError: 2 when no step of the plan is shared by several machines, 1 when nobody runs the plan any more,
    and what `take_part` raises.
    """
    _check_plan(run_dir)
    run, groups = _Run(run_dir), groups_of(run_dir)
    tell(f"waiting for a step of {run_dir.name} that several machines share")
    while True:
        # The lock first: it is let go after the last event. A group that is open by then belongs to a later start.
        why, has_ended = run.why_gone(silent), run.has_ended()
        found = groups.alive()
        if found is not None:
            folder, opened = found
            tell(f"step {folder.parents[1].name} waits for {opened.machines} machines")
            try:
                if take_part(folder, opened, tell):
                    groups.leave(opened)
            except AdvisorError as error:
                if error.code is ExitCode.RUN_FAILED and run.has_ended():
                    return run.state  # it is gone because it ended, which its events explain better
                raise
            run.heard()
        elif not groups.is_unclear():
            if has_ended and not run.is_held:  # else it is being resumed
                return run.state
            if why:
                raise nobody_runs(why)
        time.sleep(POLL_SECONDS)


class _Run:
    """A run as it is seen from another machine, whose clock and processes are not those of this one."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir, self._offset = run_dir, 0
        self._heard = time.monotonic()
        self.is_held = self._has_seen_lock = False
        self.state = RunState()

    def has_ended(self) -> bool:
        """Whether its last start has ended, as its events say."""
        while True:
            events, after = tail(self._run_dir, self._offset)
            for event in events:
                self.state = self.state.after(event)
            if after == self._offset:
                return self.state.status in ("done", "failed", "stopped")
            self._offset = after
            self.heard()

    def heard(self) -> None:
        """Something shows that it goes on."""
        self._heard = time.monotonic()

    def why_gone(self, silent: float) -> str:
        """Why nobody runs it, as far as can be seen; empty while somebody may. A lock may not reach other machines."""
        self.is_held = holder(self._run_dir) is not None
        if self.is_held:
            self.heard()
        elif self._has_seen_lock:
            return "nobody holds the lock of the run"
        self._has_seen_lock = self._has_seen_lock or self.is_held
        if time.monotonic() - self._heard > silent:
            what = f"there was no new event for {silent:.0f} seconds"
            return what if (self._run_dir / EVENTS).exists() else f"it has not begun within {silent:.0f} seconds"
        return ""


def _check_plan(run_dir: Path) -> None:
    plan = read_plan(str(run_dir / PLAN))
    if all(int(step.config.get("machines", 1)) < 2 for step in plan.steps):
        raise AdvisorError(
            f"no step of {run_dir.name} is shared by several machines",
            why="machines is 1 in the settings of each",
            hint="answers: train: {machines: 2, rendezvous: HOST:PORT}, and a fine-tuning",
        )
