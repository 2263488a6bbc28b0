"""The report of a run: before and after, predicted and measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Header, Static

from advisor.domain.errors import AdvisorError
from advisor.tui.widgets.footer import Footer

if TYPE_CHECKING:
    from advisor.tui.app import AdvisorApp


class ReportScreen(Screen[None]):
    """The same text as `advisor report RUN`."""

    ABOUT = "What the run gained, against its own baseline."
    app: AdvisorApp
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "app.pop_screen", "Back")]

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def compose(self) -> ComposeResult:
        yield Header(icon="")
        with VerticalScroll():
            yield Static("Reading ...", id="report", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        self.sub_title = "report"
        self.run_worker(self._read, thread=True)

    def _read(self) -> None:
        from advisor.report.document import to_text
        from advisor.report.run import run_blocks
        from advisor.runs.report import run_report

        try:
            text = to_text(run_blocks(run_report(self.folder)), max(40, self.app.size.width - 4))
        except AdvisorError as error:
            text = error.message()
        self.app.call_from_thread(self.query_one("#report", Static).update, text)
