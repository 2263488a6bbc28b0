"""Open an answers file by its path."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from advisor.domain.errors import AdvisorError

if TYPE_CHECKING:
    from advisor.tui.app import AdvisorApp


class OpenScreen(ModalScreen[None]):
    """Asks for a path; a faulty file is told here, with its line."""

    ABOUT = "The path of an answers file (YAML, JSON or TOML)."
    app: AdvisorApp
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "Close")]

    def compose(self) -> ComposeResult:
        with Vertical(id="open"):
            yield Static("Answers file", markup=False)
            yield Input(placeholder="answers.yaml")
            yield Static(id="fault", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        from advisor.files import read_answers
        from advisor.tui.screens.recommendation import RecommendationScreen

        try:
            answers = read_answers(event.value.strip())
        except AdvisorError as error:
            self.query_one("#fault", Static).update(error.message())
            return
        self.app.switch_screen(RecommendationScreen(answers, event.value.strip()))
