"""Help: the keys of the screen it was called from."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

KEY_NAMES = {"question_mark": "?", "escape": "esc", "backspace": "backspace", "enter": "enter"}


class HelpScreen(ModalScreen[None]):
    """Lists every key that works where the person was."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark", "dismiss", "Close")]

    def __init__(self, about: Screen[object]) -> None:
        super().__init__()
        self._about = about

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help"):
            yield Static(self._text(), markup=False)

    def _text(self) -> str:
        lines = [str(getattr(self._about, "ABOUT", "")), "", "Keys here"]
        seen: set[str] = set()
        for active in self._about.active_bindings.values():
            binding = active.binding
            if binding.description and binding.description not in seen:
                seen.add(binding.description)
                lines.append(f"  {KEY_NAMES.get(binding.key, binding.key):<12} {binding.description}")
        lines += ["", "ctrl+p opens the list of all commands. esc closes this."]
        return "\n".join(lines)
