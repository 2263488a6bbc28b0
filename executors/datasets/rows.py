"""What a data set consists of once it is read: conversations, texts, preferences, multiple-choice questions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    role: str
    """system | user | assistant | tool"""
    content: str
    calls: str = ""
    """Calls of tools that the turn makes: a JSON list of objects with `name` and `arguments`."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """Turns of which the assistant's are learnt and measured."""

    messages: tuple[Message, ...]
    tools: str = ""
    """Schemas of the tools at hand: a JSON list, as chat templates take them."""
    passages: tuple[str, ...] = ()
    """Passages that come with the question."""

    @property
    def key(self) -> str:
        """What is asked: two conversations that ask the same never stand on both sides of a split."""
        return "\n".join(m.content for m in self.messages if m.role == "user")


@dataclass(frozen=True, slots=True)
class Text:
    """A passage of which every token is learnt and measured."""

    text: str
    date: str = ""

    @property
    def key(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class _Prompted:
    """A row that begins with a prompt."""

    prompt: tuple[Message, ...]

    @property
    def key(self) -> str:
        """What is asked, as in `Conversation.key`."""
        return "\n".join(m.content for m in self.prompt if m.role == "user")


@dataclass(frozen=True, slots=True)
class Preference(_Prompted):
    """Two answers to one prompt, the first better than the second."""

    chosen: str
    rejected: str

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation with the better answer."""
        return (*self.prompt, Message("assistant", self.chosen))

    @property
    def worse(self) -> tuple[Message, ...]:
        """The conversation with the other answer."""
        return (*self.prompt, Message("assistant", self.rejected))


@dataclass(frozen=True, slots=True)
class Feedback(_Prompted):
    """One answer to a prompt, marked good or bad."""

    answer: str
    is_good: bool

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation with this answer, be it good or bad."""
        return (*self.prompt, Message("assistant", self.answer))


@dataclass(frozen=True, slots=True)
class Task(_Prompted):
    """A prompt whose answer a program can check. `check`: exact | contains | number | f1, see `metrics.rewards`."""

    answer: str
    check: str = "exact"

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation with the right answer."""
        return (*self.prompt, Message("assistant", self.answer))


@dataclass(frozen=True, slots=True)
class Parallel:
    """One text in several languages: (language, text). It becomes another row before it is learnt."""

    texts: tuple[tuple[str, str], ...]

    @property
    def key(self) -> str:
        return self.texts[0][1]


@dataclass(frozen=True, slots=True)
class MultipleChoice:
    """A question with its possible answers; `answer` is the index of the right one."""

    question: str
    choices: tuple[str, ...]
    answer: int


Row = Conversation | Text | Preference | Feedback | Task
Record = Row | Parallel
"""What is read, before a recipe or the plain way makes rows of it."""


def ask(question: str, answer: str) -> Conversation:
    """A conversation of one question and its answer."""
    return Conversation((Message("user", question), Message("assistant", answer)))


def hashed(text: str) -> int:
    """A 64-bit number that depends on the text alone: the same on every machine and in every process."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big")
