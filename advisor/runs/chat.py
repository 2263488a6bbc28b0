"""`Chat`: a conversation with something of a run, for the terminal and the app alike. It draws nothing.

What is said to a person has passed `printable`: text of a model or a document never reaches a terminal as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from advisor.domain.answering import Answered, Piece, Ready, Turn
from advisor.domain.errors import AdvisorError
from advisor.runs.answering import Answerer
from advisor.runs.subjects import Subject, subjects

LONGEST = 20_000
"""Characters of one question."""
REMEMBERED = 8
"""Turns that go along with a question: a small model's context is soon full."""


def chat_subject(run_dir: Path, step: str | None) -> Subject:
    """What is talked to: the step of that number or technique, else the last that left something.

    Raises AdvisorError when there is no such step, or it has left nothing yet.
    """
    found = subjects(run_dir, with_beside=True)
    if step is None:
        return found[-1]
    wanted = step.lower()
    for subject in found:
        if wanted in (str(subject.number), subject.name.lower(), subject.name.partition(" ")[2].lower()):
            return subject
    names = ", ".join("0 baseline" if subject.number == 0 else subject.name for subject in found)
    raise AdvisorError(f"step {step!r} has left nothing to talk to", hint=f"there are {names}")


class Chat:
    """A context manager over one answering process. Blocking calls, except `cancel` and `close`."""

    def __init__(self, subject: Subject, max_tokens: int = 128, temperature: float = 0.0) -> None:
        self.subject, self._max_tokens, self._temperature = subject, max_tokens, temperature
        self._turns: list[Turn] = []
        self._answerer = Answerer(subject.roles)

    def ready(self) -> Ready:
        """Wait until it can answer. Raises AdvisorError."""
        return self._answerer.ready()

    def ask(self, question: str) -> Iterator[Piece | Answered]:
        """The answer's pieces and then the whole. Question and answer are remembered. Raises AdvisorError."""
        if not question.strip():
            raise AdvisorError("an empty question")
        if len(question) > LONGEST:
            raise AdvisorError(f"the question has {len(question)} characters", hint=f"at most {LONGEST}")
        turns = [*self._turns[-REMEMBERED:], Turn(content=_readable(question))]
        for said in self._answerer.ask(turns, self._max_tokens, self._temperature):
            yield said
            if isinstance(said, Answered) and said.text.strip():
                self._turns = [*turns, Turn(role="assistant", content=said.text)]

    def forget(self) -> None:
        """Begin a new conversation."""
        self._turns = []

    def cancel(self) -> None:
        """End the answer that is being written."""
        self._answerer.cancel()

    def close(self) -> None:
        """End the answering process."""
        self._answerer.close()

    def __enter__(self) -> Chat:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _readable(text: str) -> str:
    """Halves of surrogate pairs, as undecodable bytes on stdin arrive, cannot be sent on."""
    return text.encode("utf-8", "replace").decode("utf-8")
