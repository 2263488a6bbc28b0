"""One reader of a run for the app: reads what was added to the event file and folds it, off the event loop."""

from __future__ import annotations

from pathlib import Path

from advisor.domain.plan import Plan
from advisor.domain.run import RunState
from advisor.files import read_plan
from advisor.runs.follow import tail
from advisor.runs.places import PLAN
from advisor.runs.prepare import holder
from advisor.runs.state import settled


class Reader:
    """Where a run stands, brought up to date by `advance`. Blocking calls: use it in a thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plan: Plan | None = None
        self._state = RunState()
        self._offset = 0
        self._is_reported = False

    def advance(self) -> RunState:
        """The state after everything written by now. Raises AdvisorError for a plan that cannot be read."""
        if self.plan is None:
            self.plan = read_plan(str(self.folder / PLAN))
        is_active = holder(self.folder) is not None
        while True:
            events, offset = tail(self.folder, self._offset)
            for event in events:
                self._state = self._state.after(event)
            if offset == self._offset:
                break
            self._offset = offset
        state = settled(self._state, is_active)
        if state.status in ("done", "failed", "stopped") and not is_active:
            self._report()
        return state

    def _report(self) -> None:
        """Whoever sees a run end writes its report, as `advisor run` does."""
        if not self._is_reported:
            from advisor.runs.report import write_report

            self._is_reported = True
            write_report(self.folder)
