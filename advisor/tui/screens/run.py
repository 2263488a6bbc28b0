"""Run: the strip of steps, loss, memory against prediction, the step in words, measurements, log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import DataTable, Header, RichLog, Static

from advisor.domain.errors import AdvisorError
from advisor.domain.plan import Plan
from advisor.domain.run import RunState, StepState
from advisor.report.document import printable
from advisor.report.units import duration
from advisor.tui.widgets.footer import Footer
from advisor.tui.widgets.pipeline import strip_text
from advisor.tui.widgets.plots import LossPlot, MemoryPlot
from advisor.tui.widgets.progress import metric_rows, predicted_gib, step_lines

if TYPE_CHECKING:
    from advisor.tui.app import AdvisorApp, RunChanged

LOOK_SECONDS, DRAW_SECONDS, CHART_SECONDS = 0.25, 2.0, 10.0
"""It looks four times a second whether a step began or ended, which is drawn at once. Figures are drawn every two
seconds and charts, which take most of the work, every ten, however fast they come: on a machine of two cores drawing
takes time from the training that it shows."""


class RunScreen(Screen[None]):
    """One run, followed. Leaving the screen or the app never stops it."""

    ABOUT = "The run goes on when this screen or the app is closed. s stops it; it can be resumed later."
    app: AdvisorApp
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "stop", "Stop"),
        Binding("r", "resume", "Resume"),
        Binding("v", "report", "Report"),
        Binding("c", "chat", "Chat"),
        Binding("m", "compare", "Compare"),
        Binding("escape", "leave", "Detach"),
    ]

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self._latest: tuple[Plan, RunState] | None = None
        self._drawn_at = self._charted_at = 0.0
        self._drawn_steps: list[object] = []
        self._is_due = False
        self._logged = 0
        self._table_rows: list[tuple[str, ...]] = []

    def compose(self) -> ComposeResult:
        yield Header(icon="")
        yield Static(id="strip")
        with Horizontal(id="upper"):
            yield LossPlot(id="loss")
            yield MemoryPlot(id="memory")
            yield Static(id="step", markup=False)
        with Horizontal(id="lower"):
            yield DataTable(id="table", cursor_type="none")
            yield RichLog(id="log", wrap=True, min_width=1, max_lines=2000, markup=False)
        yield Static(id="told", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        self.sub_title = f"run {self.folder.name}"
        self.query_one("#step").border_title = "step"
        self.query_one("#table").border_title = "measured"
        self.query_one("#log").border_title = "log"
        self.set_interval(LOOK_SECONDS, self._draw_if_due)

    def on_screen_resume(self) -> None:
        """Shown, or shown again: what happened under another screen went to that one."""
        self.app.follow_run(self.folder)

    def on_run_changed(self, event: RunChanged) -> None:
        if event.folder == self.folder:
            self._latest, self._is_due = (event.plan, event.state), True

    def _draw_if_due(self) -> None:
        if self._latest is None:
            return
        state = self._latest[1]
        steps: list[object] = [state.status, *(step.status for step in state.steps)]
        is_old = time.monotonic() - self._drawn_at >= DRAW_SECONDS
        is_other = steps != self._drawn_steps
        if is_other or (is_old and (self._is_due or state.status == "running")):
            self._is_due, self._drawn_at, self._drawn_steps = False, time.monotonic(), steps
            self._draw(*self._latest)
            if is_other or self._drawn_at - self._charted_at >= CHART_SECONDS:
                self._charted_at = self._drawn_at
                self._draw_charts(*self._latest)

    def _draw(self, plan: Plan, state: RunState) -> None:
        strip = strip_text(state)
        elapsed = duration(max(0.0, (state.updated or 0) - (state.started or 0))) if state.started else "-"
        strip.append(f"\n{state.status}, {elapsed}", "dim")
        self.query_one("#strip", Static).update(strip, layout=False)
        self.query_one("#step", Static).update("\n".join(step_lines(state, plan, time.time())), layout=False)
        self._draw_table(state)
        self._draw_log(state)

    def _draw_charts(self, plan: Plan, state: RunState) -> None:
        self.query_one("#loss", LossPlot).show(_trained(state))
        self.query_one("#memory", MemoryPlot).show(state, _predicted(plan, state))

    def _draw_table(self, state: RunState) -> None:
        rows = metric_rows(state)
        if rows == self._table_rows:
            return
        self._table_rows = rows
        table = self.query_one("#table", DataTable)
        table.clear(columns=True)
        table.add_columns(
            "metric", *("baseline" if s.number == 0 else f"{s.number} {s.technique}" for s in state.steps)
        )
        table.add_rows(rows)

    def _draw_log(self, state: RunState) -> None:
        lines = [f"{d.severity.value}: {d.text}{' - ' + d.hint if d.hint else ''}" for d in state.diagnostics]
        shown = [*lines, *state.log]
        if len(shown) < self._logged:
            self._logged = 0
        log = self.query_one("#log", RichLog)
        for line in shown[self._logged :]:
            log.write(printable(line))
        self._logged = len(shown)

    def _tell(self, text: str) -> None:
        self.query_one("#told", Static).update(text)

    def action_stop(self) -> None:
        from advisor.runs.stop import stop

        self._tell("Stopping: a checkpoint is saved first ...")
        self.run_worker(self._do(stop, "Stopped. r goes on from the checkpoint."), exclusive=True)

    def action_resume(self) -> None:
        from advisor.runs.resume import resume

        if self._latest is not None and self._latest[1].status in ("running", "done"):
            self._tell(f"The run is {self._latest[1].status}.")
            return
        self._tell("Resuming ...")
        self.run_worker(self._do(resume, "Resumed."), exclusive=True)

    async def _do(self, act: Callable[[Path], object], done: str) -> None:
        try:
            await asyncio.to_thread(act, self.folder)
        except AdvisorError as error:
            self._tell(error.message())
            return
        self._tell(done)
        self.app.follow_run(self.folder)

    def action_chat(self) -> None:
        from advisor.tui.screens.chat import ChatScreen

        self.app.push_screen(ChatScreen(self.folder))

    def action_report(self) -> None:
        from advisor.tui.screens.report import ReportScreen

        self.app.push_screen(ReportScreen(self.folder))

    def action_compare(self) -> None:
        from advisor.tui.screens.compare import CompareScreen

        self.app.push_screen(CompareScreen(self.folder))

    def action_leave(self) -> None:
        self.app.pop_screen()


def _trained(state: RunState) -> StepState | None:
    """The step that trains now, or else the last one that has a loss."""
    return next((s for s in reversed(state.steps) if s.series.get("loss")), None)


def _predicted(plan: Plan, state: RunState) -> float | None:
    """The memory predicted for the step that runs, or once none does, the most predicted for any."""
    steps = [step for step in plan.steps if state.current is None or step.number == state.current]
    known = [gib for step in steps if (gib := predicted_gib(step, bool(state.gpu_gib))) is not None]
    return max(known, default=None)
