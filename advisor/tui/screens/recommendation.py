"""Recommendation: the stack, why, warnings, what was rejected, what would change it, and the way to the run."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import Screen
from textual.widgets import DataTable, Header, Static, TabbedContent, TabPane

from advisor.domain.answers import Answers
from advisor.domain.errors import AdvisorError
from advisor.report.document import Block, to_text
from advisor.report.recommendation import others_blocks, render, warning_blocks, why_blocks
from advisor.report.units import duration, gib
from advisor.runs.advise import Advice, advise, plan_of
from advisor.tui.widgets.footer import Footer
from advisor.tui.widgets.stack import table_row

if TYPE_CHECKING:
    from advisor.tui.app import AdvisorApp

DETAILS = ("why", "warnings", "others")
COLUMNS = ("#", "technique", "memory GiB", "time", "runs", "acts on", "quality")


class RecommendationScreen(Screen[None]):
    """What the advisor recommends for one set of answers."""

    ABOUT = "The stack in the order it is run. Nothing starts before r is pressed."
    app: AdvisorApp
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "run_stack", "Run"),
        Binding("e", "edit", "Edit stack"),
        Binding("t", "techniques", "Techniques"),
        Binding("m", "matrix", "Matrix"),
        Binding("w", "save", "Save answers"),
        Binding("x", "export", "Export report"),
        Binding("c", "command", "As command"),
        *(Binding(str(n), f"details('{name}')", f"{name.title()}") for n, name in enumerate(DETAILS, 1)),
        Binding("escape", "leave", "Home"),
    ]

    def __init__(self, answers: Answers, file: str = "") -> None:
        super().__init__()
        self._answers, self._file = answers, file
        self.advice: Advice | None = None
        self._is_starting = False

    def compose(self) -> ComposeResult:
        yield Header(icon="")
        with Vertical(id="recommendation"):
            yield DataTable(id="stack", cursor_type="row")
            yield Static(id="total", markup=False)
            with TabbedContent(id="details"):
                for name in DETAILS:
                    with TabPane(name.title(), id=name), VerticalScroll(id=f"scroll-{name}"):
                        yield Static(id=f"text-{name}", markup=False)
        yield Static(id="told", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        self.sub_title = "recommendation"
        self.query_one("#stack", DataTable).add_columns(*COLUMNS)
        try:
            self.advice = advise(self._answers, self.app.overrides, self.app.profile)
        except AdvisorError as error:
            self._tell(error.message())
            return
        self._show(self.advice)

    def _show(self, advice: Advice) -> None:
        recommendation = advice.recommendation
        table = self.query_one("#stack", DataTable)
        for number, entry in enumerate(recommendation.stack, 1):
            table.add_row(*table_row(number, entry, advice.facts))
        chain = recommendation.chain
        total = (
            f"Peak {gib(chain.peak_gpu_gib)} GiB GPU, {gib(chain.peak_ram_gib)} GiB RAM, "
            f"{gib(chain.peak_disk_gib)} GiB disk, about {duration(chain.seconds)} with evaluations"
        )
        if not recommendation.feasible:
            total = "Nothing is feasible: see Others for each reason and what would make it so."
        self.query_one("#total", Static).update(total)
        serious = sum(w.severity.value != "info" for w in recommendation.warnings)
        self.query_one("#details", TabbedContent).get_tab("warnings").label = f"Warnings ({serious})"
        self._text("why", why_blocks(recommendation)[1:])
        self._text("warnings", warning_blocks(recommendation, advice.knowledge))
        self._text("others", others_blocks(recommendation))
        if recommendation.feasible:
            table.focus()
        else:
            self.action_details("others")

    def action_details(self, name: str) -> None:
        """Show one of the tabs, ready to be scrolled."""
        self.query_one("#details", TabbedContent).active = name
        self.query_one(f"#scroll-{name}").focus()

    def _text(self, name: str, blocks: list[Block]) -> None:
        width = max(40, self.app.size.width - 6)
        self.query_one(f"#text-{name}", Static).update(to_text(blocks, width) if blocks else "None.")

    def _tell(self, text: str) -> None:
        self.query_one("#told", Static).update(text)

    def action_run_stack(self) -> None:
        if self.advice is None or self._is_starting:
            return
        self._is_starting = True
        self._tell("Checking and starting ...")
        self.run_worker(self._start(self.advice), exclusive=True)

    async def _start(self, advice: Advice) -> None:
        from advisor.tui.screens.run import RunScreen

        try:
            folder = await asyncio.to_thread(launch_advice, advice)
        except AdvisorError as error:
            self._tell(error.message())
            return
        finally:
            self._is_starting = False
        self.app.push_screen(RunScreen(folder))

    def _write(self, name: str, text: str) -> None:
        from advisor.tui.saved import save_new

        try:
            target = save_new(name, text)
        except AdvisorError as error:
            self._tell(error.message())
            return
        self._tell(f"Written: {target}")

    def action_save(self) -> None:
        from advisor.files import dump_yaml

        self._write("answers.yaml", dump_yaml(self._answers, exclude_defaults=True))

    def action_export(self) -> None:
        if self.advice is not None:
            self._write("recommendation.md", render(self.advice.recommendation, "markdown", self.advice.knowledge))

    def action_command(self) -> None:
        name = self._file or "answers.yaml"
        saved = "" if self._file else " (w saves the answers first)"
        self._tell(f"advisor --non-interactive {name} --execute{saved}")
        self.app.copy_to_clipboard(f"advisor --non-interactive {name} --execute")

    def action_edit(self) -> None:
        from advisor.tui.screens.stack import StackScreen

        if self.advice is not None:
            self.app.push_screen(StackScreen(self.advice, self.app.profile))

    def action_techniques(self) -> None:
        from advisor.tui.screens.techniques import TechniquesScreen

        self.app.push_screen(TechniquesScreen(self.advice.facts if self.advice is not None else None))

    def action_matrix(self) -> None:
        from advisor.tui.screens.matrix import MatrixScreen

        self.app.push_screen(MatrixScreen())

    def action_leave(self) -> None:
        self.app.pop_screen()


def launch_advice(advice: Advice) -> Path:
    """Check the plan and start it in a folder of its own; blocks while the supervisor answers."""
    from advisor.runs.launch import launch
    from advisor.runs.places import runs_root
    from advisor.runs.prepare import prepare

    prepared = prepare(plan_of(advice), runs_root())
    return launch(prepared, None, advice.answers, advice.recommendation)
