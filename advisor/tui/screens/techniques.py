"""Techniques: find one, read all that is known of it, and ask whether it would fit here.

Also the place to pick a technique from: then enter gives it back to the screen that asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen, Screen
from textual.widgets import Header, Input, OptionList, Static
from textual.widgets.option_list import Option

from advisor.domain.errors import AdvisorError
from advisor.domain.facts import Facts
from advisor.domain.technique import Technique
from advisor.domain.words import Family
from advisor.engine.fitting import would_fit
from advisor.knowledge import load_knowledge
from advisor.knowledge.search import find_techniques
from advisor.report.fitting import fitting_lines
from advisor.report.knowledge import technique_lines
from advisor.runs.fitting import facts_for_model
from advisor.tui.widgets.footer import Footer
from advisor.tui.widgets.lines import Lines

if TYPE_CHECKING:
    from advisor.tui.app import AdvisorApp


class TechniquesScreen(Screen[str | None]):
    """The list on the left, one technique on the right."""

    ABOUT = "Type / to search in everything that is written of a technique. A star marks those that run here."
    app: AdvisorApp
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search", key_display="/", priority=True),
        Binding("f", "family", "Family"),
        Binding("w", "fit", "Would it fit?"),
        Binding("W", "model", "Other model", show=False),
        Binding("c", "command", "As command", show=False),
        Binding("tab", "turn", "Read / list"),
        Binding("escape", "leave", "Back"),
    ]

    def __init__(self, facts: Facts | None = None, is_picking: bool = False) -> None:
        """`facts`: what "here" is; None: it is asked when it is needed."""
        super().__init__()
        self._knowledge = load_knowledge()
        self._facts, self._is_picking = facts, is_picking
        self._has_answers = facts is not None
        self._family: Family | None = None
        self._is_fitting = False
        self._found: tuple[Technique, ...] = ()

    def compose(self) -> ComposeResult:
        yield Header(icon="")
        with Horizontal(id="techniques"):
            with Vertical(id="finding"):
                yield Input(placeholder="/ to search", id="search", compact=True)
                yield Static(id="filter", markup=False)
                yield OptionList(id="found", compact=True)
            yield Lines(id="page")
        yield Footer()

    def on_mount(self) -> None:
        self.sub_title = "pick a technique: enter takes it" if self._is_picking else "techniques"
        self._list()
        self.set_focus(self.query_one("#found"))

    @property
    def _here(self) -> Technique | None:
        row = self.query_one("#found", OptionList).highlighted
        return self._found[row] if row is not None and row < len(self._found) else None

    def _list(self) -> None:
        """The techniques that the search and the filter leave."""
        self._found = find_techniques(self._knowledge, self.query_one("#search", Input).value, self._family)
        found = self.query_one("#found", OptionList)
        found.clear_options()
        found.add_options([Option(f"{'*' if t.is_executable else ' '} {t.id}", id=t.id) for t in self._found])
        found.highlighted = 0 if self._found else None
        family = self._knowledge.vocabulary["families"][self._family] if self._family else "all families"
        self.query_one("#filter", Static).update(f"{len(self._found)} of {family}")
        self._show()

    def _show(self) -> None:
        """The technique under the cursor, and above it whether it fits, if that was asked."""
        technique, facts = self._here, self._facts
        page = self.query_one("#page", Lines)
        if technique is None:
            page.show(lambda width: ["Nothing is found.", "  Search for something else."])
        elif self._is_fitting and facts is not None:
            fitting = would_fit(self._knowledge, facts, technique.id, with_rules=self._has_answers)
            page.show(lambda width: [*fitting_lines(fitting, facts, width), "", *technique_lines(technique, width)])
        else:
            page.show(lambda width: technique_lines(technique, width))

    def on_option_list_option_highlighted(self) -> None:
        self._show()

    def on_option_list_option_selected(self) -> None:
        if self._is_picking and self._here is not None:
            self.dismiss(self._here.id)
        else:
            self.set_focus(self.query_one("#page"))

    def on_input_changed(self) -> None:
        self._list()

    def on_input_submitted(self) -> None:
        """What was searched for is at the top: it is taken, or read."""
        self.set_focus(self.query_one("#found"))
        if self._is_picking and self._here is not None:
            self.dismiss(self._here.id)

    def on_key(self, event: object) -> None:
        """From the search, down goes to what was found."""
        if getattr(event, "key", "") == "down" and self.query_one("#search").has_focus:
            self.set_focus(self.query_one("#found"))

    def action_search(self) -> None:
        self.set_focus(self.query_one("#search"))

    def action_turn(self) -> None:
        """Tab goes between the list and the text, which is then scrolled with the arrows."""
        other = "#found" if self.query_one("#page").has_focus else "#page"
        self.set_focus(self.query_one(other))

    def action_family(self) -> None:
        """The next family that has techniques, and after the last all of them."""
        known = [f for f in Family if any(t.family is f for t in self._knowledge.techniques)]
        place = known.index(self._family) + 1 if self._family is not None else 0
        self._family = known[place] if place < len(known) else None
        self._list()

    def action_fit(self) -> None:
        if self._facts is None:
            self.action_model()
            return
        self._is_fitting = not self._is_fitting
        self._show()

    def action_model(self) -> None:
        """Ask which model "here" is about; answers that were given are left behind."""
        self.app.push_screen(ModelScreen(), self._take)

    def _take(self, facts: Facts | None) -> None:
        if facts is not None:
            self._facts, self._has_answers, self._is_fitting = facts, False, True
            self._show()

    def action_command(self) -> None:
        if self._here is not None:
            command = f"advisor techniques {self._here.id}"
            self.app.copy_to_clipboard(command)
            self.notify(command, markup=False)

    def action_leave(self) -> None:
        search = self.query_one("#search", Input)
        if search.has_focus or search.value:
            search.value = ""
            self.set_focus(self.query_one("#found"))
        elif self.query_one("#page").has_focus:
            self.set_focus(self.query_one("#found"))
        else:
            self.dismiss(None)


class ModelScreen(ModalScreen[Facts | None]):
    """Asks for the size or the name of a model."""

    ABOUT = "A size in billions of parameters such as 8 or 0.5, 135M, a hub id, or a folder."
    app: AdvisorApp
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "Close")]

    def compose(self) -> ComposeResult:
        with Vertical(id="model"):
            yield Static("Which model? Its size in billions of parameters, or a hub id", markup=False)
            yield Input(placeholder="8")
            yield Static(id="fault", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        try:
            facts = facts_for_model(load_knowledge(), self.app.hardware, event.value or "8")
        except AdvisorError as error:
            self.query_one("#fault", Static).update(error.message())
            return
        self.dismiss(facts)
