"""Home: what this machine is, what was run here, and where to go."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import Screen
from textual.widgets import Header, OptionList, Static
from textual.widgets.option_list import Option

from advisor.tui.widgets.footer import Footer
from advisor.tui.widgets.machine import machine_lines

if TYPE_CHECKING:
    from advisor.tui.app import AdvisorApp

ACTIONS = (
    ("new", "New: answer some questions, get a stack of techniques"),
    ("open", "Open an answers file"),
    ("history", "Runs on this machine: watch, resume, compare"),
    ("techniques", "Techniques: every one, with when, costs and evidence"),
    ("matrix", "Matrix: what doing one thing before another does"),
    ("quit", "Quit"),
)


class HomeScreen(Screen[None]):
    """The first screen."""

    ABOUT = "The machine as it is now, and where to go. Every run goes on by itself when the app is closed."
    app: AdvisorApp
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "New"),
        Binding("o", "open", "Open answers"),
        Binding("h", "history", "History"),
        Binding("t", "techniques", "Techniques"),
        Binding("m", "matrix", "Matrix"),
        Binding("q", "app.quit", "Quit"),
    ]

    def compose(self) -> ComposeResult:
        yield Header(icon="")
        with Vertical(id="home"):
            yield Static("\n".join(machine_lines(self.app.hardware)), id="machine", markup=False)
            yield OptionList(*(Option(text, id=key) for key, text in ACTIONS), id="actions")
            yield Static(id="recent", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        self.query_one("#machine").border_title = "This machine"
        self.query_one("#recent").border_title = "Latest runs"
        self.query_one("#actions").focus()

    def on_screen_resume(self) -> None:
        self.run_worker(self._show_recent, thread=True, exclusive=True)

    def _show_recent(self) -> None:
        from advisor.runs.catalogue import list_runs

        runs = list_runs()[:4]
        lines = [f"{run.status:<12} {run.name}: {' -> '.join(run.steps)}" for run in runs] or ["None yet."]
        self.app.call_from_thread(self.query_one("#recent", Static).update, "\n".join(lines))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        match event.option.id:
            case "new":
                self.action_new()
            case "open":
                self.action_open()
            case "history":
                self.action_history()
            case "techniques":
                self.action_techniques()
            case "matrix":
                self.action_matrix()
            case _:
                self.app.exit(return_code=0)

    def action_new(self) -> None:
        from advisor.tui.screens.questions import QuestionsScreen

        self.app.push_screen(QuestionsScreen())

    def action_open(self) -> None:
        from advisor.tui.screens.open_file import OpenScreen

        self.app.push_screen(OpenScreen())

    def action_history(self) -> None:
        from advisor.tui.screens.history import HistoryScreen

        self.app.push_screen(HistoryScreen())

    def action_techniques(self) -> None:
        from advisor.tui.screens.techniques import TechniquesScreen

        self.app.push_screen(TechniquesScreen())

    def action_matrix(self) -> None:
        from advisor.tui.screens.matrix import MatrixScreen

        self.app.push_screen(MatrixScreen())
