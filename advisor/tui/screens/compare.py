"""Compare: the same prompt to every model of a run, side by side; what was measured; keep, roll back, export."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, HorizontalScroll, Vertical
from textual.screen import Screen
from textual.widgets import Header, Input, OptionList, Static

from advisor.domain.answering import Answered, Piece
from advisor.domain.errors import AdvisorError
from advisor.report.document import printable, to_text
from advisor.report.pareto import plot_lines, points
from advisor.report.run import compare_blocks
from advisor.runs.comparing import Comparing, prompts_of
from advisor.tui.widgets.answer import AnswerColumn
from advisor.tui.widgets.footer import Footer
from advisor.tui.widgets.lines import Lines

if TYPE_CHECKING:
    from advisor.domain.run_report import RunReport
    from advisor.runs.subjects import Subject
    from advisor.tui.app import AdvisorApp

VIEWS = ("prompts", "answers", "figures")
"""What a narrow screen shows one at a time."""


class CompareScreen(Screen[None]):
    """The models are loaded by processes of their own; leaving the screen ends them."""

    ABOUT = "Enter asks every model the prompt. Left and right choose the model that k, b and e are about."
    app: AdvisorApp
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "write", "Prompt"),
        Binding("x", "stop", "Stop"),
        Binding("left", "choose(-1)", "Model", key_display="←→", priority=False),
        Binding("right", "choose(1)", "Model", show=False),
        Binding("k", "decide('keep')", "Keep"),
        Binding("b", "decide('roll-back')", "Roll back"),
        Binding("e", "export", "Export"),
        Binding("tab", "turn", "View", priority=True),
        Binding("c", "command", "As command", show=False),
        Binding("escape", "leave", "Back"),
    ]

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self._comparing: Comparing | None = None
        self._prompts: list[str] = []
        self._chosen = 0
        self._view = 0

    def compose(self) -> ComposeResult:
        yield Header(icon="")
        with Horizontal(id="compare-upper"):
            with Vertical(id="asked-prompts"):
                yield OptionList(id="prompts", markup=False)
                yield Input(id="own-prompt", placeholder="a prompt of your own", compact=True)
            yield HorizontalScroll(id="columns", can_focus=False)
        with Horizontal(id="compare-lower"):
            yield Lines(id="compare-table")
            yield Lines(id="pareto")
        yield Static(id="told", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        self.sub_title = f"compare {self.folder.name}"
        self.query_one("#prompts").border_title = "Prompts"
        self.query_one("#compare-table").border_title = "Measured"
        self.query_one("#pareto").border_title = "Size and quality"
        self.query_one("#own-prompt").display = False
        self._show_view(0)
        self.query_one("#prompts").focus()
        self.run_worker(self._read())

    async def _read(self) -> None:
        from advisor.runs.report import run_report

        try:
            report = await asyncio.to_thread(run_report, self.folder)
            self._comparing = await asyncio.to_thread(Comparing, self.folder)
        except AdvisorError as error:
            self._tell(error.message())
            return
        columns = self.query_one("#columns")
        await columns.remove_children()
        await columns.mount(*(AnswerColumn(subject) for subject in self._comparing.subjects))
        # Prompts last: once they are there, a key may ask one.
        self._prompts = list(prompts_of(report))
        prompts = self.query_one("#prompts", OptionList)
        prompts.clear_options()
        prompts.add_options([printable(prompt) for prompt in self._prompts])
        prompts.highlighted = 0
        self._choose(min(self._chosen, len(self._comparing.subjects) - 1))
        self._show_figures(report)

    def _show_figures(self, report: RunReport) -> None:
        self.query_one("#compare-table", Lines).show(
            lambda width: to_text(compare_blocks(report), max(40, width)).splitlines()
        )
        found = points(report)
        height = max(6, self.query_one("#pareto").size.height - 2)
        self.query_one("#pareto", Lines).show(
            lambda width: plot_lines(found, width, height) if found else ["Nothing was measured yet."]
        )

    @property
    def _columns(self) -> list[AnswerColumn]:
        return list(self.query(AnswerColumn))

    def _tell(self, text: str) -> None:
        self.query_one("#told", Static).update(text)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self._ask(self._prompts[event.option_index])

    def on_input_submitted(self, event: Input.Submitted) -> None:
        own = self.query_one("#own-prompt", Input)
        own.display = False
        if event.value.strip():
            self._prompts.append(event.value)
            prompts = self.query_one("#prompts", OptionList)
            prompts.add_option(printable(event.value))
            prompts.highlighted = len(self._prompts) - 1
            self._ask(event.value)
        own.value = ""
        self.query_one("#prompts").focus()

    def _ask(self, prompt: str) -> None:
        if self._comparing is None:
            return
        for column in self._columns:
            column.clear("waiting ...")
        self._show_view(1)
        self._tell(f"Asked: {printable(prompt)}")
        self._comparing.stop()
        self.run_worker(lambda: self._ask_all(prompt), thread=True, exclusive=True, group="asking")

    def _ask_all(self, prompt: str) -> None:
        assert self._comparing is not None
        try:
            self._comparing.ask(prompt, self._heard)
        except RuntimeError:
            # The app has gone while an answer was being written.
            return

    def _heard(self, subject: Subject, said: Piece | Answered | AdvisorError) -> None:
        self.app.call_from_thread(self._show, subject, said)

    def _show(self, subject: Subject, said: Piece | Answered | AdvisorError) -> None:
        column = next((c for c in self._columns if c.subject.number == subject.number), None)
        if column is None:
            return
        if isinstance(said, Piece):
            column.add(said.text)
        elif isinstance(said, Answered):
            first = self._columns[0]
            reference = first.said if column is not first else None
            column.finish(reference, said.tokens / said.seconds if said.seconds else 0.0)
        else:
            column.fail(said.message())

    def action_write(self) -> None:
        self._show_view(0)
        own = self.query_one("#own-prompt", Input)
        own.display = True
        own.focus()

    def action_stop(self) -> None:
        if self._comparing is not None:
            self._comparing.stop()
            self._tell("Stopped.")

    def action_choose(self, step: int) -> None:
        columns = self._columns
        if columns:
            self._choose((self._chosen + step) % len(columns))

    def _choose(self, place: int) -> None:
        self._chosen = place
        for number, column in enumerate(self._columns):
            column.choose(number == place)
            if number == place:
                column.scroll_visible(animate=False)

    def _subject(self) -> Subject | None:
        """The model that is chosen; the baseline is nobody's step."""
        subject = self._columns[self._chosen].subject if self._columns else None
        if subject is None or subject.number == 0:
            self._tell("Choose a step with left and right: the baseline is the model as it was given.")
            return None
        return subject

    def action_decide(self, word: str) -> None:
        from advisor.runs.decisions import decide

        subject = self._subject()
        if subject is None:
            return
        try:
            decide(self.folder, str(subject.number), "keep" if word == "keep" else "roll-back")
        except AdvisorError as error:
            self._tell(error.message())
            return
        done = "kept" if word == "keep" else "rolled back"
        self._tell(f"{subject.name} is {done}. It takes effect with r on the run's screen, or advisor resume.")
        if self._comparing is not None:
            self._comparing.close()
        self.run_worker(self._read())

    async def action_export(self) -> None:
        from advisor.runs.subjects import export

        subject = self._subject()
        if subject is None:
            return
        target = Path(f"{self.folder.name}-{subject.name.replace(' ', '-')}")
        try:
            _, folder = await asyncio.to_thread(export, self.folder, str(subject.number), target)
        except AdvisorError as error:
            self._tell(error.message())
            return
        self._tell(f"Exported and verified: {folder}")

    def action_turn(self) -> None:
        self._show_view(self._view + 1)

    def _show_view(self, view: int) -> None:
        self._view = view % len(VIEWS)
        for number, name in enumerate(VIEWS):
            self.set_class(number == self._view, f"-{name}")

    def action_command(self) -> None:
        command = f"advisor ask {self.folder}"
        self.app.copy_to_clipboard(command)
        self.notify(command, markup=False)

    def action_leave(self) -> None:
        own = self.query_one("#own-prompt", Input)
        if own.display:
            own.display = False
            self.query_one("#prompts").focus()
            return
        self.app.pop_screen()

    def on_unmount(self) -> None:
        if self._comparing is not None:
            import threading

            # Waiting for processes to end must not hold up the app.
            threading.Thread(target=self._comparing.close, name="closing", daemon=False).start()
