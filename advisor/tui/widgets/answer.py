"""One model's answer in a column: it grows while it is written, and marks what differs from the baseline's."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from advisor.report.answers import likeness, marked
from advisor.report.document import printable
from advisor.runs.subjects import Subject


class AnswerColumn(VerticalScroll, can_focus=False):
    """A column; its title names the model, its foot says how fast it wrote and how alike it is."""

    def __init__(self, subject: Subject) -> None:
        super().__init__(classes="answer")
        self.subject = subject
        self.said = ""

    def compose(self) -> ComposeResult:
        yield Static(classes="said", markup=False)

    def choose(self, is_chosen: bool) -> None:
        """The column that keep, roll back and export are about is marked by a sign and a heavier border."""
        mark = "> " if is_chosen else ""
        state = "" if self.subject.status in ("done", "skipped") else f" ({self.subject.status})"
        self.border_title = f"{mark}{self.subject.name}{state}"
        self.set_class(is_chosen, "-chosen")

    def clear(self, text: str = "") -> None:
        self.said = ""
        self.border_subtitle = ""
        self.query_one(Static).update(text)

    def add(self, piece: str) -> None:
        self.said += piece
        self.query_one(Static).update(Text(_safe(self.said)))
        self.scroll_end(animate=False)

    def fail(self, message: str) -> None:
        self.border_subtitle = "no answer"
        self.query_one(Static).update(Text(message))

    def finish(self, reference: str | None, rate: float) -> None:
        """The whole answer, what differs from the reference underlined."""
        about = f"{rate:.1f} tokens/s"
        if reference is not None:
            about = f"{likeness(reference, self.said)}, {about}"
            text = Text()
            for piece, differs in marked(reference, self.said):
                text.append(_safe(piece), "bold underline" if differs else "")
            self.query_one(Static).update(text)
        self.border_subtitle = about


def _safe(text: str) -> str:
    return "\n".join(printable(line) for line in text.split("\n"))
