"""Questions: one at a time, the tree and the stack so far beside it.

What is asked next, what is suggested and what follows comes from `Walk`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import Screen
from textual.widgets import Footer, Header, Input, OptionList, SelectionList, Static
from textual.widgets.option_list import Option
from textual.widgets.selection_list import Selection

from advisor.domain.errors import AdvisorError
from advisor.domain.tree import Question
from advisor.runs.walk import Walk, begin
from advisor.tui.widgets.stack import so_far_lines
from advisor.tui.widgets.tree import tree_text

if TYPE_CHECKING:
    from advisor.tui.app import AdvisorApp


class QuestionsScreen(Screen[None]):
    """The walk."""

    ABOUT = "One question at a time. Digits choose; backspace goes back; s leaves the question to the advisor."
    app: AdvisorApp
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("backspace", "back", "Back"),
        Binding("s", "skip", "Choose for me"),
        Binding("t", "side", "Tree"),
        Binding("f", "finish", "Finish"),
        Binding("escape", "leave", "Home"),
        *(Binding(str(n), f"digit({n})", show=False) for n in range(1, 10)),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.walk: Walk | None = None

    def compose(self) -> ComposeResult:
        yield Header(icon="")
        with Horizontal(id="questions"):
            with Vertical(id="asked"):
                yield Static(id="question", markup=False)
                yield OptionList(id="choices")
                yield SelectionList[str](id="several")
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
        self.query_one("#tree", Static).update(tree_text(walk.knowledge.tree, walk.answered, question))
        self.query_one("#so-far", Static).update("\n".join(so_far_lines(walk.recommendation, walk.facts)))

    def _ask(self, walk: Walk, question: Question) -> None:
        choices, several, typed = (
            self.query_one("#choices", OptionList),
            self.query_one("#several", SelectionList),
            self.query_one("#typed", Input),
        )
        choices.display, several.display = question.kind == "choice", question.kind == "many"
        typed.display = question.kind in ("number", "text")
        suggested = walk.suggestion(question)
        if question.kind == "choice":
            choices.clear_options()
            for number, choice in enumerate(question.choices, 1):
                mark = "   <- suggested" if suggested is not None and suggested.value == choice.value else ""
                text = f"{number}  {choice.label}{mark}\n   {choice.meaning}"
                choices.add_option(Option(_plain(text), id=str(number)))
            values = [choice.value for choice in question.choices]
            choices.highlighted = values.index(suggested.value) if suggested is not None else 0
            choices.focus()
        elif question.kind == "many":
            several.clear_options()
            several.add_options(Selection(_plain(f"{c.label}: {c.meaning}"), str(c.value)) for c in question.choices)
            several.focus()
        else:
            typed.value = "" if question.default is None else str(question.default)
            typed.placeholder = f"in {question.unit}" if question.unit else "type, then enter"
            typed.focus()

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
        self._answer(event.option.id)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.value.strip():
            self._answer(event.value)
        else:
            self.action_skip()

    def on_key(self, event: object) -> None:
        """Enter in a list of several answers goes on; space marks."""
        several = self.query_one("#several", SelectionList)
        if getattr(event, "key", "") == "enter" and several.has_focus:
            self._answer(list(several.selected))

    def action_digit(self, number: int) -> None:
        if self.walk is None or self.walk.question is None:
            return
        if self.walk.question.kind == "choice":
            self._answer(str(number))
        elif self.walk.question.kind == "many":
            several = self.query_one("#several", SelectionList)
            if number <= several.option_count:
                several.toggle(several.get_option_at_index(number - 1))

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
