"""The keys of the focused widget in one line, to read and to click.

Drawn as one text: Textual's own footer makes a widget for every key anew whenever the focus moves, which on two slow
cores takes longer than a key is to wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from rich.text import Text
from textual import events
from textual.screen import Screen
from textual.widget import Widget

if TYPE_CHECKING:
    from textual.binding import ActiveBinding


class Key(NamedTuple):
    """A key as the footer shows it."""

    key: str
    shown: str
    does: str
    is_enabled: bool

    @property
    def width(self) -> int:
        return len(self.shown) + len(self.does) + 3


class Footer(Widget):
    """One line at the bottom of a screen."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"footer--key", "footer--text"}
    DEFAULT_CSS = """
    Footer {
        dock: bottom; height: 1; color: $footer-foreground; background: $footer-background;
        & .footer--key { color: $footer-key-foreground; background: $footer-key-background; text-style: bold; }
        & .footer--text { color: $footer-description-foreground; background: $footer-description-background; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._keys: tuple[Key, ...] = ()

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._bindings_changed)
        self._bindings_changed(self.screen)

    def _bindings_changed(self, screen: Screen[object]) -> None:
        if not (self.is_attached and screen is self.screen and screen.app.app_focus):
            return
        keys = self._found(screen)
        if keys != self._keys:
            self._keys = keys
            self.refresh()

    def _found(self, screen: Screen[object]) -> tuple[Key, ...]:
        """The keys to show, each action once, the command palette last."""
        palette = self.app.COMMAND_PALETTE_BINDING if self.app.ENABLE_COMMAND_PALETTE else ""
        active: dict[str, ActiveBinding] = screen.active_bindings
        by_action: dict[str, Key] = {}
        for binding, is_enabled in ((found.binding, found.enabled) for found in active.values()):
            if binding.show and binding.key != palette:
                shown = self.app.get_key_display(binding)
                by_action.setdefault(binding.action, Key(binding.key, shown, binding.description, is_enabled))
        found = active.get(palette)
        last = () if found is None else (Key(palette, self.app.get_key_display(found.binding), "palette", True),)
        return (*by_action.values(), *last)

    def _placed(self) -> list[tuple[int, Key]]:
        """Columns at which keys start: from the left as many as there is room for, the last one always at the right."""
        *firsts, last = self._keys or (Key("", "", "", False),)
        end = max(0, self.size.width - last.width)
        placed, start = [], 0
        for key in firsts:
            if start + key.width > end:
                break
            placed.append((start, key))
            start += key.width
        return [*placed, (end, last)]

    def render(self) -> Text:
        names = ("footer--key", "footer--text")
        key_style, text_style = map(self.get_component_rich_style, names)
        text = Text(no_wrap=True, end="")
        for start, key in self._placed():
            text.append(" " * (start - len(text)), text_style)
            text.append(f" {key.shown} ", key_style if key.is_enabled else text_style)
            text.append(f"{key.does} ", text_style)
        return text

    def on_mouse_down(self, event: events.MouseDown) -> None:
        for start, key in self._placed():
            if start <= event.x < start + key.width and key.is_enabled:
                self.app.simulate_key(key.key)
