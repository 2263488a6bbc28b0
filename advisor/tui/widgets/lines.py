"""Lines of a report in a pane: broken to its width, scrolled with the arrows, titles in bold.

Only the lines that are seen are drawn and nothing is laid out anew when they change, so that a long text costs a key
no more than a short one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

BOLD = Style(bold=True)
Make = Callable[[int], Sequence[str]]
"""The lines for a width in columns."""


class Lines(ScrollView, can_focus=True):
    """Text that is made for the width there is."""

    DEFAULT_CSS = "Lines { scrollbar-gutter: stable; overflow-x: hidden; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "scroll_up", "Up", show=False),
        Binding("down", "scroll_down", "Down", show=False),
        Binding("pageup", "page_up", "Page up", show=False),
        Binding("pagedown", "page_down", "Page down", show=False),
        Binding("home", "scroll_home", "Top", show=False),
        Binding("end", "scroll_end", "Bottom", show=False),
    ]

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._make: Make = lambda width: ()
        self._lines: tuple[tuple[str, bool], ...] = ()
        self._style = Style.null()

    def show(self, make: Make) -> None:
        """Show these lines from the first one."""
        self._make = make
        self._fill()
        self.scroll_to(y=0, animate=False, immediate=True)

    def on_resize(self) -> None:
        self._fill()

    def _fill(self) -> None:
        width = self.scrollable_content_region.width
        if width <= 0:
            return
        lines = with_titles(self._make(width - 1))
        if lines != self._lines:
            self._lines = lines
            self.virtual_size = Size(width, len(lines))
            self.refresh()

    def render_lines(self, crop: Region) -> list[Strip]:
        # Put together from all ancestors: once for what is drawn now, not for every line of it.
        self._style = self.rich_style
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        width, style = self.scrollable_content_region.width, self._style
        row = y + self.scroll_offset.y
        if row >= len(self._lines):
            return Strip.blank(width, style)
        text, is_title = self._lines[row]
        shown = style + BOLD if is_title else style
        return Strip([Segment(text, shown)]).adjust_cell_length(width, style)


def with_titles(lines: Sequence[str]) -> tuple[tuple[str, bool], ...]:
    """Each line and whether it is a title: the first one and what stands above an indented line, but no list item."""
    following = [*lines[1:], ""][: len(lines)]
    return tuple(
        (line, not line.startswith((" ", "- ")) and (number == 0 or after.startswith("  ")))
        for number, (line, after) in enumerate(zip(lines, following, strict=True))
    )
