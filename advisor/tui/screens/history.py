"""History: every run on this machine, and what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import DataTable, Header, Static

from advisor.tui.widgets.footer import Footer

if TYPE_CHECKING:
    from advisor.runs.catalogue import RunSummary
    from advisor.tui.app import AdvisorApp


class HistoryScreen(Screen[None]):
    """Enter opens a run, whether it still goes on or not."""

    ABOUT = "Every run found in the run folder. Enter opens one; v shows its report, c talks to what it left."
    app: AdvisorApp
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open"),
        Binding("v", "report", "Report"),
        Binding("c", "chat", "Chat"),
        Binding("m", "compare", "Compare"),
        Binding("escape", "leave", "Home"),
    ]

    def compose(self) -> ComposeResult:
        yield Header(icon="")
        yield DataTable(id="history", cursor_type="row")
        yield Static(id="told", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        self.sub_title = "history"
        self.query_one("#history", DataTable).add_columns("run", "status", "started", "steps")

    def on_screen_resume(self) -> None:
        self.run_worker(self._read, thread=True, exclusive=True)

    def _read(self) -> None:
        from advisor.runs.catalogue import list_runs

        self.app.call_from_thread(self._show, list_runs())

    def _show(self, runs: list[RunSummary]) -> None:
        import time

        table = self.query_one("#history", DataTable)
        table.clear()
        for run in runs:
            started = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.started)) if run.started else "-"
            table.add_row(run.name, run.status, started, " -> ".join(run.steps), key=run.folder)
        self.query_one("#told", Static).update("" if runs else "No runs yet.")
        table.focus()

    def _selected(self) -> Path | None:
        table = self.query_one("#history", DataTable)
        if table.row_count == 0:
            return None
        key = table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value
        return Path(key) if key else None

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        self.action_open()

    def action_open(self) -> None:
        from advisor.tui.screens.run import RunScreen

        folder = self._selected()
        if folder is not None:
            self.app.push_screen(RunScreen(folder))

    def action_chat(self) -> None:
        from advisor.tui.screens.chat import ChatScreen

        folder = self._selected()
        if folder is not None:
            self.app.push_screen(ChatScreen(folder))

    def action_report(self) -> None:
        from advisor.tui.screens.report import ReportScreen

        folder = self._selected()
        if folder is not None:
            self.app.push_screen(ReportScreen(folder))

    def action_compare(self) -> None:
        from advisor.tui.screens.compare import CompareScreen

        folder = self._selected()
        if folder is not None:
            self.app.push_screen(CompareScreen(folder))

    def action_leave(self) -> None:
        self.app.pop_screen()
