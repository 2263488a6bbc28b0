"""The interaction matrix as a heat map to walk about in: a verdict by sign, by colour, and by its marks.

What the verdicts are comes from `Matrix`. A cell that was moved to, or opened, is told as a message.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from advisor.domain.words import Family, Verdict
from advisor.report.knowledge import SYMBOLS, Cell, Matrix

ROW_TITLE = 13
NARROWEST, WIDEST = 5, 11
NARROWED, DISPUTED, MEASURED, HERE = "*", "?", "m", "▸"
WORDS: dict[Verdict | None, str] = {
    Verdict.BEST: "best",
    Verdict.OK: "ok",
    Verdict.CONDITIONAL: "cond",
    Verdict.BAD: "bad",
    Verdict.IMPOSSIBLE: "never",
}
"""The verdict as a word, where a cell has room for it beside its sign and marks."""
STYLES: dict[Verdict | None, str] = {
    Verdict.BEST: "bold #ffffff on #1b6e37",
    Verdict.OK: "#d4f5dc on #17402a",
    Verdict.CONDITIONAL: "#fff3c4 on #5c4a08",
    Verdict.BAD: "bold #ffe1dc on #7d1f1f",
    Verdict.IMPOSSIBLE: "bold #ffffff on #4b1d6b",
    Verdict.NONE: "dim",
    None: "dim",
}


class HeatMap(Widget, can_focus=True):
    """Rows are done first, columns then."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1, 0)", "Up", show=False),
        Binding("down", "move(1, 0)", "Down", show=False),
        Binding("left", "move(0, -1)", "Left", show=False),
        Binding("right", "move(0, 1)", "Right", show=False),
        Binding("home", "edge(0)", "First column", show=False),
        Binding("end", "edge(-1)", "Last column", show=False),
        Binding("enter", "open", "Open the pair"),
    ]
    place: reactive[tuple[int, int]] = reactive((0, 0))
    """Row and column of the cell the cursor is on."""

    class Moved(Message):
        """The cursor is on another cell, or the matrix is another one."""

        def __init__(self, cell: Cell) -> None:
            self.cell = cell
            super().__init__()

    class Opened(Moved):
        """The cell under the cursor is to be shown whole."""

    def __init__(self, matrix: Matrix, is_disputed: Callable[[Family, Family], bool]) -> None:
        """`is_disputed` says of a pair whether sources disagree on it, beyond what its entries say."""
        super().__init__(id="heat-map")
        self._matrix, self._is_disputed = matrix, is_disputed
        self._measured: frozenset[tuple[Family, Family]] = frozenset()

    @property
    def cell(self) -> Cell:
        """The cell under the cursor."""
        row, column = self.place
        return self._matrix.cell(self._matrix.families[row], self._matrix.families[column])

    def show(self, matrix: Matrix) -> None:
        """Another matrix, the cursor on the same pair where it has one."""
        pair = (self.cell.first, self.cell.then)
        self._matrix = matrix
        known = matrix.families
        row, column = (known.index(family) if family in known else 0 for family in pair)
        self.set_reactive(HeatMap.place, (row, column))
        self.refresh(layout=True)
        self.post_message(self.Moved(self.cell))

    def mark(self, measured: frozenset[tuple[Family, Family]]) -> None:
        """Mark the pairs whose effect was measured on this machine."""
        if measured != self._measured:
            self._measured = measured
            self.refresh()

    def watch_place(self) -> None:
        self.post_message(self.Moved(self.cell))

    def action_move(self, down: int, right: int) -> None:
        last = len(self._matrix.families) - 1
        row, column = self.place
        self.place = (min(last, max(0, row + down)), min(last, max(0, column + right)))

    def action_edge(self, column: int) -> None:
        self.place = (self.place[0], column % len(self._matrix.families))

    def action_open(self) -> None:
        self.post_message(self.Opened(self.cell))

    def get_content_height(self, *_: object) -> int:
        return len(self._matrix.families) + 1

    def render(self) -> Text:
        families = self._matrix.families
        room = (self.size.width - ROW_TITLE) // max(1, len(families))
        width = max(NARROWEST, min(WIDEST, room))
        row_here, column_here = self.place
        text = Text(f"{'first / then':<{ROW_TITLE}}", no_wrap=True, end="")
        for column, then in enumerate(families):
            title = then[: width - 1] if width > NARROWEST else then[:4]
            text.append(f" {title:<{width - 1}}", "bold reverse" if column == column_here else "bold")
        for row, first in enumerate(families):
            text.append("\n")
            text.append(f"{first:<{ROW_TITLE}}", "bold reverse" if row == row_here else "bold")
            for column, then in enumerate(families):
                self._draw(text, self._matrix.cell(first, then), width, self.place == (row, column))
        return text

    def _draw(self, text: Text, cell: Cell, width: int, is_here: bool) -> None:
        sign = SYMBOLS[cell.verdict] if cell.verdict is not None else ""
        disputed = cell.is_disputed or self._is_disputed(cell.first, cell.then)
        measured = MEASURED if (cell.first, cell.then) in self._measured else ""
        marks = (NARROWED if cell.is_narrowed else "") + (DISPUTED if disputed else "") + measured
        word = WORDS.get(cell.verdict, "") if width > NARROWEST else ""
        shown = _with_word(sign + marks, word, width - 1)
        text.append(HERE if is_here else " ", "bold")
        text.append(shown, f"{STYLES[cell.verdict]} reverse" if is_here else STYLES[cell.verdict])


def _with_word(sign: str, word: str, room: int) -> str:
    """Sign and marks at the left, the word at the right where both fit with a space between them."""
    return f"{sign}{word:>{room - len(sign)}}" if len(sign) + len(word) < room else f"{sign:<{room}}"
