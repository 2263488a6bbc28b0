"""`Asker`: what a model is shown for a question, and how its words become an answer.

It holds a prompt file, and may hold a finder of passages; without either a question is asked as it is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from executors.datasets.rows import Message
from executors.prompt.examples import Vectors
from executors.prompt.file import QUESTION, Example, PromptFile


class Finder(Protocol):
    """Finds passages for questions. An index offers one."""

    worked: tuple[Message, ...]
    """Turns that show how a question is answered from passages; left out where the prompt has examples of its own."""

    def turn(self, question: str) -> str:
        """The user's turn for a question: what was found, marked as data, and the question."""
        ...


@dataclass(frozen=True)
class Asker:
    """How questions are put to a model."""

    prompt: PromptFile = field(default_factory=PromptFile)
    finder: Finder | None = None

    @property
    def is_plain(self) -> bool:
        """Questions are asked as they are."""
        return self.finder is None and self.prompt == PromptFile()

    def turns(self, question: str, before: Sequence[Message] = ()) -> tuple[Message, ...]:
        """The messages for `question`; `before`: earlier turns of its conversation, a system message among them."""
        systems = [self.prompt.system, *(m.content for m in before if m.role == "system")]
        system = "\n\n".join(text for text in systems if text)
        turns = [Message("system", system)] if system else []
        for example in self.examples(question):
            turns.append(Message("user", self.prompt.question.replace(QUESTION, example.question)))
            turns.append(Message("assistant", self.written(example.answer)))
        if self.finder is not None and not self.prompt.shown:
            turns += self.finder.worked
        turns += [message for message in before if message.role != "system"]
        asked = self.prompt.question.replace(QUESTION, question)
        return (*turns, Message("user", asked if self.finder is None else self.finder.turn(asked)))

    def examples(self, question: str) -> list[Example]:
        """The examples shown for this question, in their order. One that asks the same is left out."""
        prompt = self.prompt
        if not prompt.shown:
            return []
        if prompt.choose == "fixed":
            return list(prompt.examples[: prompt.shown])
        near = self._vectors.nearest(question, prompt.shown + 1)
        chosen = [prompt.examples[n] for n in near if prompt.examples[n].question != question][: prompt.shown]
        return chosen[::-1]

    @cached_property
    def _vectors(self) -> Vectors:
        return Vectors([example.question for example in self.prompt.examples])

    def parts(self, answer: str) -> tuple[str, str, str]:
        """What is written for the model before an answer, the answer as it is written, and what closes it."""
        prompt = self.prompt
        if prompt.answer_key:
            return f'{{{json.dumps(prompt.answer_key)}:"', json.dumps(answer, ensure_ascii=False)[1:-1], '"}'
        return (prompt.final if prompt.reasoning else prompt.trigger), answer, ""

    def written(self, answer: str) -> str:
        """An answer as the model shall write it."""
        return "".join(self.parts(answer))

    def answer_in(self, text: str) -> str:
        """The answer inside what the model wrote."""
        if self.prompt.answer_key:
            try:
                found = json.loads(text)
            except (ValueError, RecursionError):
                return text.strip()
            value = found.get(self.prompt.answer_key) if isinstance(found, dict) else None
            return value if isinstance(value, str) else text.strip()
        return text.strip()


def open_asker(prompt_path: str | None = None, finder: Finder | None = None) -> Asker:
    """An asker over a prompt file and a finder, either of which may be missing. Raises AdvisorError for a bad file."""
    from executors.prompt.file import read_prompt

    return Asker(read_prompt(prompt_path) if prompt_path is not None else PromptFile(), finder)
