"""Settings: the form of one step, made from its executor's `Config`. A wrong value is told while it is typed."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.events import DescendantFocus
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import Input, Label, Static

from advisor.domain.errors import AdvisorError
from advisor.domain.technique import Technique
from advisor.report.units import duration, gib
from advisor.runs.draft import Draft
from advisor.runs.forms import FormField, read_form, shown
from advisor.tui.widgets.footer import Footer


class SettingsScreen(ModalScreen[Draft | None]):
    """Gives the draft with the settings that were typed, or nothing."""

    ABOUT = "Empty means the default. Enter takes the settings over, escape leaves them as they were."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "app.focus_next", "Next", show=False),
        Binding("up", "app.focus_previous", "Previous", show=False),
        Binding("enter", "take", "Take over", priority=True),
        Binding("ctrl+d", "defaults", "All defaults"),
        Binding("escape", "dismiss", "Cancel"),
    ]

    def __init__(self, draft: Draft, place: int, technique: Technique, fields: tuple[FormField, ...]) -> None:
        super().__init__()
        self._draft, self._place, self._technique, self._fields = draft, place, technique, fields
        self._changed: Draft | None = None
        """The draft with what is typed now; None while something typed is wrong."""

    def compose(self) -> ComposeResult:
        given = self._draft.steps[self._place].settings
        with Vertical(id="settings"):
            with VerticalScroll(id="fields", can_focus=False):
                for field in self._fields:
                    with Horizontal(classes="field"):
                        yield Label(field.name, markup=False)
                        words = SuggestFromList(field.choices or ("yes", "no")) if _is_word(field) else None
                        yield Input(
                            value=shown(given.get(field.name)),
                            placeholder=shown(field.default) or "as needed",
                            suggester=words,
                            compact=True,
                            id=f"set-{field.name}",
                        )
                        yield Label(field.expects, classes="expects", markup=False)
            yield Static(id="about-field", markup=False)
            yield Static(id="costs", markup=False)
            yield Static(id="fault", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        self.query_one("#settings").border_title = f"Settings of {self._technique.id}"
        self.query(Input).first().focus()
        self._judge()

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        field = next((f for f in self._fields if event.widget.id == f"set-{f.name}"), None)
        if field is not None:
            default = f"; default {shown(field.default)}" if field.default is not None else ""
            self.query_one("#about-field", Static).update(
                f"{field.name}: {field.expects}{default}. {field.told}".strip()
            )

    def on_input_changed(self) -> None:
        self._judge()

    def _judge(self) -> None:
        """What is typed now, checked by the executor and estimated by the engine."""
        typed = {str(box.id).removeprefix("set-"): box.value for box in self.query(Input)}
        try:
            settings = read_form(self._technique, self._fields, typed)
            self._changed = self._draft.configure(self._place, settings)
        except AdvisorError as error:
            self._changed = None
            self.query_one("#fault", Static).update(error.message())
            return
        self.query_one("#fault", Static).update("")
        self.query_one("#costs", Static).update(self._costs(self._changed))

    def _costs(self, draft: Draft) -> str:
        judged = draft.judged
        estimate = judged.stack[self._place].estimate
        memory = estimate.gpu_gib or estimate.ram_gib
        used = f"{gib(memory.expected)} GiB" if memory else "no memory"
        time = f", about {duration(estimate.seconds.expected)}" if estimate.seconds else ""
        danger = next((w.text for w in judged.warnings if w.code == "not-possible-here"), "")
        return f"This step: {used}{time}. {danger}".strip()

    def action_take(self) -> None:
        if self._changed is not None:
            is_same = dict(self._changed.steps[self._place].settings) == dict(self._draft.steps[self._place].settings)
            self.dismiss(None if is_same else self._changed)

    def action_defaults(self) -> None:
        for box in self.query(Input):
            box.value = ""


def _is_word(field: FormField) -> bool:
    return field.kind in ("choice", "boolean")
