"""Questions: one at a time, the tree and the stack so far beside it.

What is asked next, what is suggested and what follows comes from `Walk`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import Screen
from textual.widgets import Header, Input, OptionList, Static
from textual.widgets.option_list import Option

from advisor.domain.errors import AdvisorError
from advisor.domain.tree import Question
from advisor.runs.walk import Walk, begin
from advisor.tui.widgets.footer import Footer
from advisor.tui.widgets.stack import so_far_lines
from advisor.tui.widgets.tree import TreeView

if TYPE_CHECKING:
    from advisor.tui.app import AdvisorApp


class QuestionsScreen(Screen[None]):
    """The walk."""

    ABOUT = "One question at a time. Digits choose; backspace goes back; s leaves the question to the advisor."
    app: AdvisorApp
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("backspace,ctrl+b", "back", "Back"),
        Binding("space", "mark", "Mark", show=False),
        Binding("s", "skip", "Choose for me"),
        Binding("t,ctrl+t", "side", "Tree"),
        Binding("f,ctrl+g", "finish", "Finish"),
        Binding("escape", "leave", "Home"),
        *(Binding(str(n), f"digit({n})", show=False) for n in range(1, 10)),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.walk: Walk | None = None
        self._marked: set[int] = set()
        """Numbers of the answers marked so far, where several are allowed."""

    def compose(self) -> ComposeResult:
        yield Header(icon="")
        with Horizontal(id="questions"):
            with Vertical(id="asked"):
                yield Static(id="question", markup=False)
                yield OptionList(id="choices")
                yield Input(id="typed")
                yield Static(id="fault", markup=False)
                with VerticalScroll(id="why-scroll", can_focus=False):
                    yield Static(id="why", markup=False)
            with Vertical(id="side"):
                with VerticalScroll(id="tree-scroll", can_focus=False):
                    yield Static(id="tree")
                yield Static(id="so-far", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        self.query_one("#tree-scroll").border_title = "Decision tree"
        self.query_one("#so-far").border_title = "So far"
        self._show(begin(self.app.hardware, self.app.profile))

    def _show(self, walk: Walk) -> None:
        self.walk = walk
        question = walk.question
        if question is None:
            self._conclude(walk)
            return
        self.sub_title = question.key
        section = f"{question.section}  " if question.section else ""
        self.query_one("#question", Static).update(f"{section}{question.text}\n{question.meaning}")
        self.query_one("#why", Static).update(_why(question))
        self.query_one("#fault", Static).update("")
        self._ask(walk, question)
        view = TreeView(walk.knowledge.tree, walk.answered, question)
        self.query_one("#tree", Static).update(view.text)
        self.query_one("#tree-scroll").scroll_to(y=max(0, view.here - 2), animate=False)
        self.query_one("#so-far", Static).update("\n".join(so_far_lines(walk.recommendation, walk.facts)))

    def _ask(self, walk: Walk, question: Question) -> None:
        choices, typed = self.query_one("#choices", OptionList), self.query_one("#typed", Input)
        is_typed = question.kind in ("number", "text")
        choices.display, typed.display = not is_typed, is_typed
        suggested = walk.suggestion(question)
        if is_typed:
            typed.value = "" if question.default is None else str(question.default)
            unit = f"in {question.unit}" if question.unit else "type"
            typed.placeholder = f"{unit}, then enter; empty: choose for me; ctrl+b: back"
            typed.focus()
            return
        self._marked = set()
        values = [choice.value for choice in question.choices]
        self._draw_choices(question, values.index(suggested.value) if suggested is not None else 0)
        choices.focus()

    def _draw_choices(self, question: Question, highlighted: int) -> None:
        """The choices as text; several answers are marked by a cross, not by colour."""
        choices = self.query_one("#choices", OptionList)
        suggested = self.walk.suggestion(question) if self.walk is not None else None
        choices.clear_options()
        for number, choice in enumerate(question.choices, 1):
            box = f"[{'x' if number in self._marked else ' '}] " if question.kind == "many" else ""
            mark = "   <- suggested" if suggested is not None and suggested.value == choice.value else ""
            choices.add_option(
                Option(_plain(f"{box}{number}  {choice.label}{mark}\n   {choice.meaning}"), id=str(number))
            )
        choices.highlighted = highlighted

    def _conclude(self, walk: Walk) -> None:
        from advisor.tui.screens.recommendation import RecommendationScreen

        if walk.answers is not None:
            self.app.switch_screen(RecommendationScreen(walk.answers))

    def _answer(self, value: object) -> None:
        if self.walk is None:
            return
        try:
            self._show(self.walk.answer(value))
        except AdvisorError as error:
            self.query_one("#fault", Static).update(f"{error.what}. {error.hint}")

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        question = self.walk.question if self.walk is not None else None
        if question is not None and question.kind == "many":
            self._answer([question.choices[number - 1].value for number in sorted(self._marked)])
        else:
            self._answer(event.option.id)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.value.strip():
            self._answer(event.value)
        else:
            self.action_skip()

    def action_mark(self) -> None:
        """Space marks the highlighted one of several answers."""
        highlighted = self.query_one("#choices", OptionList).highlighted
        if highlighted is not None:
            self.action_digit(highlighted + 1)

    def action_digit(self, number: int) -> None:
        question = self.walk.question if self.walk is not None else None
        if question is None or not 1 <= number <= len(question.choices):
            return
        if question.kind == "many":
            self._marked ^= {number}
            self._draw_choices(question, number - 1)
        else:
            self._answer(str(number))

    def action_back(self) -> None:
        if self.walk is not None and self.walk.order:
            self._show(self.walk.back())

    def action_skip(self) -> None:
        if self.walk is None:
            return
        try:
            self._show(self.walk.skip())
        except AdvisorError as error:
            self.query_one("#fault", Static).update(f"{error.what}. {error.hint}")

    def action_finish(self) -> None:
        """Leave every question that is still open to the advisor."""
        try:
            walk = self.walk
            while walk is not None and walk.question is not None:
                walk = walk.skip()
        except AdvisorError as error:
            self.query_one("#fault", Static).update(f"{error.what}. {error.hint}")
            return
        if walk is not None:
            self._conclude(walk)

    def action_side(self) -> None:
        """On a narrow screen the tree takes the place of the question, and back."""
        self.toggle_class("-side")

    def action_leave(self) -> None:
        self.app.pop_screen()


def _why(question: Question) -> str:
    sources = f" [{', '.join(question.sources)}]" if question.sources else ""
    return f"Why it is asked: {question.why}{sources}"


def _plain(text: str) -> str:
    """Text for a widget that reads markup, with the markup's bracket made harmless."""
    return text.replace("[", "\\[")
