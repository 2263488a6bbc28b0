"""Stack: the steps of the advice to reorder, add, drop and configure, judged anew at every key.

What a change costs, whether it is possible and how it can be repaired is said by `Draft`, which asks the engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.coordinate import Coordinate
from textual.screen import Screen
from textual.widgets import DataTable, Header, Static

from advisor.domain.errors import AdvisorError
from advisor.domain.recommendation import Recommendation
from advisor.report.document import Heading, Paragraph, to_text
from advisor.report.recommendation import warning_blocks
from advisor.report.units import duration, gib
from advisor.runs.advise import Advice
from advisor.runs.draft import Draft, begin
from advisor.tui.widgets.draft import COLUMNS, draft_row, step_lines
from advisor.tui.widgets.footer import Footer
from advisor.tui.widgets.lines import Lines

if TYPE_CHECKING:
    from advisor.tui.app import AdvisorApp

Change = Callable[[Draft], Draft]
WARNINGS_TITLE = Heading("Warnings")
"""Stands in the border here."""


class StackScreen(Screen[None]):
    """A stack of one's own, starting from the recommended one."""

    ABOUT = "The steps in the order they are run. Every change is judged at once; u takes it back."
    app: AdvisorApp
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("J,shift+down", "move(1)", "Down", key_display="J"),
        Binding("K,shift+up", "move(-1)", "Up", key_display="K"),
        Binding("a", "add", "Add"),
        Binding("d", "drop", "Drop"),
        Binding("e", "settings", "Settings"),
        Binding("f", "fix", "Fix"),
        Binding("u", "undo", "Undo"),
        Binding("U,ctrl+r", "redo", "Redo", show=False),
        Binding("r", "run_stack", "Run"),
        Binding("i", "side", "Step"),
        Binding("t", "technique", "Techniques", show=False),
        Binding("m", "matrix", "Matrix", show=False),
        Binding("w", "save", "Save the plan", show=False),
        Binding("c", "command", "As command", show=False),
        Binding("escape", "leave", "Back"),
    ]

    def __init__(self, advice: Advice, profile: str = "default") -> None:
        super().__init__()
        self._advice = advice
        self.draft = begin(advice, profile)
        self._is_starting = False
        self._rows: list[tuple[str, ...]] = []
        self._shown: dict[str, str] = {}
        self._plan_file = ""
        """Where the plan of the stack as it stands was saved."""

    def compose(self) -> ComposeResult:
        yield Header(icon="")
        with Horizontal(id="edit"):
            with Vertical(id="edited"):
                yield DataTable(id="steps", cursor_type="row")
                yield Static(id="chain", markup=False)
                yield Lines(id="faults")
            yield Lines(id="step-side")
        yield Static(id="told", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        self.sub_title = "edit the stack"
        self.query_one("#step-side").border_title = "Step"
        self.query_one("#steps", DataTable).add_columns(*COLUMNS)
        self._show(0)
        self.query_one("#steps").focus()

    @property
    def _place(self) -> int:
        return self.query_one("#steps", DataTable).cursor_row

    def _show(self, place: int) -> None:
        """The draft as it stands, the cursor on the step at `place`."""
        judged = self.draft.judged
        pairs = zip(judged.stack, self.draft.steps, strict=True)
        rows = [
            draft_row(n, entry, bool(step.settings), self._advice.facts) for n, (entry, step) in enumerate(pairs, 1)
        ]
        with self.prevent(DataTable.RowHighlighted):
            self._fill(rows)
            if rows:
                self.query_one("#steps", DataTable).move_cursor(row=min(place, len(rows) - 1), animate=False)
        self._text("#chain", total_line(judged))
        self._show_warnings(judged)
        self._show_step()

    def _fill(self, rows: list[tuple[str, ...]]) -> None:
        """The table with these rows. Cells are exchanged in place where no column changes its width: laying the whole
        screen out again is what a key would wait for."""
        table = self.query_one("#steps", DataTable)
        if _widths(rows) == _widths(self._rows) and len(rows) == len(self._rows):
            for row, (cells, before) in enumerate(zip(rows, self._rows, strict=True)):
                for column, (cell, old) in enumerate(zip(cells, before, strict=True)):
                    if cell != old:
                        table.update_cell_at(Coordinate(row, column), cell)
        else:
            table.clear()
            for cells in rows:
                table.add_row(*cells)
        self._rows = rows

    def _text(self, selector: str, text: str) -> None:
        """Put text into its place. Laid out anew only when it takes another number of lines."""
        before = self._shown.get(selector, "")
        if text != before:
            self._shown[selector] = text
            width = max(1, self.app.size.width // 2)
            is_like_it = len(before) < width and len(text) < width and bool(before) and not (before + text).count("\n")
            self.query_one(selector, Static).update(text, layout=not is_like_it)

    def _show_warnings(self, judged: Recommendation) -> None:
        serious = sum(warning.severity.value != "info" for warning in judged.warnings)
        faults = self.query_one("#faults", Lines)
        faults.border_title = f"Warnings ({serious} of {len(judged.warnings)} serious)  f applies a fix"
        blocks = [b for b in warning_blocks(judged, self._advice.knowledge) if b != WARNINGS_TITLE]
        faults.show(lambda width: to_text(blocks or [Paragraph("None.")], width).splitlines())

    def _show_step(self) -> None:
        draft, place = self.draft, self._place
        self.query_one("#step-side", Lines).show(lambda width: step_lines(draft, place, width))

    def on_data_table_row_highlighted(self) -> None:
        self._show_step()

    def on_data_table_row_selected(self) -> None:
        self.action_settings()

    def _tell(self, text: str) -> None:
        self._text("#told", text)

    def _change(self, change: Change, place: int | None = None) -> None:
        """Take a change of the draft over; what is wrong with it is told and leaves the draft as it was."""
        try:
            changed = change(self.draft)
        except AdvisorError as error:
            self._tell(error.message())
            return
        if changed is not self.draft:
            self.draft, self._plan_file = changed, ""
            self._show(self._place if place is None else place)
            self._tell(changed.told)

    def action_move(self, by: int) -> None:
        place = self._place
        self._change(lambda draft: draft.move(place, by), place + by)

    def action_drop(self) -> None:
        place = self._place
        self._change(lambda draft: draft.drop(place))

    def action_fix(self) -> None:
        self._change(lambda draft: draft.fix())

    def action_undo(self) -> None:
        self._change(lambda draft: draft.undo())

    def action_redo(self) -> None:
        self._change(lambda draft: draft.redo())

    def action_add(self) -> None:
        from advisor.tui.screens.techniques import TechniquesScreen

        self.app.push_screen(TechniquesScreen(self._advice.facts, is_picking=True), self._add)

    def _add(self, technique_id: str | None) -> None:
        if technique_id is not None:
            place = self._place + 1 if self.draft.steps else 0
            self._change(lambda draft: draft.add(technique_id, place), place)

    def action_settings(self) -> None:
        from advisor.runs.forms import form_of
        from advisor.tui.screens.settings import SettingsScreen

        if not self.draft.steps:
            return
        place, step = self._place, self.draft.steps[self._place]
        technique = self._advice.knowledge.technique(step.technique)
        try:
            fields = form_of(technique, self.draft.chosen(place))
        except AdvisorError as error:
            self._tell(error.message())
            return
        self.app.push_screen(SettingsScreen(self.draft, place, technique, fields), self._configured)

    def _configured(self, changed: Draft | None) -> None:
        if changed is not None:
            self._change(lambda _: changed)

    def action_side(self) -> None:
        """On a narrow screen the step takes the place of the warnings, and back."""
        self.toggle_class("-side")

    def action_technique(self) -> None:
        from advisor.tui.screens.techniques import TechniquesScreen

        self.app.push_screen(TechniquesScreen(self._advice.facts))

    def action_matrix(self) -> None:
        from advisor.tui.screens.matrix import MatrixScreen

        self.app.push_screen(MatrixScreen())

    def action_save(self) -> None:
        from advisor.files import dump_yaml
        from advisor.tui.saved import save_new

        try:
            self._plan_file = save_new("plan.yaml", dump_yaml(self.draft.plan())).name
        except AdvisorError as error:
            self._tell(error.message())
            return
        self._tell(f"Written: {self._plan_file}")

    def action_command(self) -> None:
        """The plan as a command; a plan that was not saved is saved first."""
        if not self._plan_file:
            self.action_save()
        if self._plan_file:
            self._tell(f"advisor run {self._plan_file}")
            self.app.copy_to_clipboard(f"advisor run {self._plan_file}")

    def action_run_stack(self) -> None:
        if not self._is_starting:
            self._is_starting = True
            self._tell("Checking and starting ...")
            self.run_worker(self._start(), exclusive=True)

    async def _start(self) -> None:
        from advisor.tui.screens.recommendation import launch_advice
        from advisor.tui.screens.run import RunScreen

        try:
            self.draft.plan()
            edited = replace(self._advice, recommendation=self.draft.judged)
            folder = await asyncio.to_thread(launch_advice, edited)
        except AdvisorError as error:
            self._tell(error.message())
            return
        finally:
            self._is_starting = False
        self.app.push_screen(RunScreen(folder))

    def action_leave(self) -> None:
        self.app.pop_screen()


def _widths(rows: list[tuple[str, ...]]) -> list[int]:
    """The widest cell of each column."""
    return [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]


def total_line(judged: Recommendation) -> str:
    """What the whole chain takes."""
    chain = judged.chain
    state = "" if judged.feasible else "CANNOT BE RUN: see the first warning.  "
    return (
        f"{state}Peak {gib(chain.peak_gpu_gib)} GiB GPU, {gib(chain.peak_ram_gib)} GiB RAM, "
        f"{gib(chain.peak_disk_gib)} GiB disk, about {duration(chain.seconds)} with evaluations"
    )
