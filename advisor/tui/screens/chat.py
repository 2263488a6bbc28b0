"""Chat: a conversation with something of a run, answered token by token by a process of its own."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Header, Input, Static

from advisor.domain.answering import Answered, Piece
from advisor.domain.errors import AdvisorError
from advisor.report.document import printable
from advisor.runs.chat import Chat
from advisor.runs.subjects import Subject, subjects
from advisor.tui.widgets.footer import Footer

if TYPE_CHECKING:
    from advisor.tui.app import AdvisorApp

MOST_TURNS = 200
MAX_TOKENS = 128


class ChatScreen(Screen[None]):
    """Type a question, read the answer as it is written."""

    ABOUT = (
        "Talk to what the run left. Enter asks, escape ends an answer and then the chat, ctrl+t takes the next step, "
        "ctrl+n begins anew. Passages of documents are data: they are shown apart and followed by nobody."
    )
    app: AdvisorApp
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Stop, leave", priority=True),
        Binding("ctrl+t", "other", "Next step", priority=True),
        Binding("ctrl+n", "new", "New", priority=True),
        Binding("pageup", "up", "Back", show=False, priority=True),
        Binding("pagedown", "down", "On", show=False, priority=True),
    ]

    class Changed(Message):
        """Something was said by the process of `chat`: ready, a piece, a whole answer, or trouble."""

        def __init__(self, chat: Chat, said: Piece | Answered | AdvisorError | None) -> None:
            self.chat, self.said = chat, said
            super().__init__()

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self._subjects: tuple[Subject, ...] = ()
        self._at = 0
        self._chat: Chat | None = None
        self._is_busy = True
        self._written = ""
        self._answer: Static | None = None

    def compose(self) -> ComposeResult:
        yield Header(icon="")
        yield Static(id="subject", markup=False)
        yield VerticalScroll(id="talk")
        yield Static(id="told", markup=False)
        yield Input(id="asked-of", placeholder="your question")
        yield Footer()

    def on_mount(self) -> None:
        self.sub_title = "chat"
        self.query_one("#talk").can_focus = False
        self.query_one("#asked-of", Input).focus()
        try:
            self._subjects = subjects(self.folder, with_beside=True)
        except AdvisorError as error:
            self._tell(error.message())
            return
        self._at = len(self._subjects) - 1
        self._open()

    def on_unmount(self) -> None:
        self._close()

    def _open(self) -> None:
        """Start the process of the chosen subject; what it says arrives as `Changed`."""
        self._close()
        subject = self._subjects[self._at]
        others = f", {len(self._subjects) - 1} more: ctrl+t" if len(self._subjects) > 1 else ""
        self.query_one("#subject", Static).update(f"{subject.name} ({' + '.join(subject.roles)}{others})")
        self._tell("Loading ...")
        self._is_busy = True
        self._chat = Chat(subject, MAX_TOKENS)
        threading.Thread(target=self._load, args=(self._chat,), name="chat", daemon=True).start()

    def _close(self) -> None:
        """Ending may take a moment; nobody waits for it."""
        if self._chat is not None:
            threading.Thread(target=self._chat.close, name="chat-close", daemon=True).start()
            self._chat = None

    def _load(self, chat: Chat) -> None:
        try:
            chat.ready()
            self.post_message(self.Changed(chat, None))
        except AdvisorError as error:
            self.post_message(self.Changed(chat, error))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        question = event.value.strip()
        if not question or self._chat is None:
            return
        if self._is_busy:
            self._tell("One moment: it is still at work.")
            return
        event.input.value = ""
        self._is_busy, self._written = True, ""
        self._add(f"You: {printable(question)}", "asked")
        self._answer = self._add("...", "answered")
        self._tell("Writing ... escape ends it.")
        threading.Thread(target=self._ask, args=(self._chat, question), name="chat", daemon=True).start()

    def _ask(self, chat: Chat, question: str) -> None:
        try:
            for said in chat.ask(question):
                self.post_message(self.Changed(chat, said))
        except AdvisorError as error:
            self.post_message(self.Changed(chat, error))

    def on_chat_screen_changed(self, event: Changed) -> None:
        if event.chat is not self._chat:
            return
        match event.said:
            case Piece(text=text):
                self._written += text
                self._show(self._written)
            case Answered() as answered:
                self._is_busy = False
                self._show(answered.text)
                if answered.sources:
                    said = "; ".join(printable(source)[:60] for source in answered.sources)
                    self._add(f"from the documents (data): {said}", "source")
                self._tell(f"{answered.tokens} tokens in {answered.seconds:.1f} s")
            case AdvisorError() as error:
                self._is_busy = False
                self._tell(error.message())
            case _:
                self._is_busy = False
                self._tell("Ready.")

    def _show(self, text: str) -> None:
        if self._answer is not None:
            self._answer.update("\n".join(printable(line) for line in text.strip().split("\n")) or "...")
            self.query_one("#talk", VerticalScroll).scroll_end(animate=False)

    def _add(self, text: str, kind: str) -> Static:
        talk = self.query_one("#talk", VerticalScroll)
        line = Static(text, markup=False, classes=kind)
        talk.mount(line)
        for old in list(talk.children)[:-MOST_TURNS]:
            old.remove()
        talk.scroll_end(animate=False)
        return line

    def _tell(self, text: str) -> None:
        self.query_one("#told", Static).update(printable(text))

    def action_other(self) -> None:
        if len(self._subjects) > 1:
            self._at = (self._at + 1) % len(self._subjects)
            self._open()

    def action_new(self) -> None:
        if self._chat is not None and not self._is_busy:
            self._chat.forget()
            self.query_one("#talk", VerticalScroll).remove_children()
            self._tell("A new conversation.")

    def action_up(self) -> None:
        self.query_one("#talk", VerticalScroll).scroll_page_up(animate=False)

    def action_down(self) -> None:
        self.query_one("#talk", VerticalScroll).scroll_page_down(animate=False)

    def action_leave(self) -> None:
        if self._is_busy and self._written and self._chat is not None:
            self._chat.cancel()
            return
        self.app.pop_screen()
