"""Answers through a prompt or an index: what is shown to the model, the form that is kept, and what it rests on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from advisor.domain.answering import Answered, Question
from advisor.domain.errors import AdvisorError
from executors.answer.stream import answer
from executors.datasets.rows import Message
from executors.models.load import Loaded
from executors.prompt.asking import Asker
from executors.prompt.writing import Writer
from executors.retrieve.finder import IndexFinder


class Through:
    """A loaded model that is asked through an asker; compiled constraints are kept between questions."""

    def __init__(self, loaded: Loaded, asker: Asker) -> None:
        self._loaded, self._asker = loaded, asker
        self._writer = Writer(loaded, asker)
        if isinstance(asker.finder, IndexFinder):
            asker.finder.decide = self._writer.decide

    def answer(self, question: Question, say: Callable[[str], None], is_cancelled: Callable[[], bool]) -> Answered:
        """The answer to the last turn. Raises AdvisorError when the last turn is not a question."""
        *before, last = question.messages
        if last.role != "user":
            raise AdvisorError("the last turn is not a question")
        if self._asker.prompt.tools:
            return self._with_tools(question, last.content, say)
        turns = self._asker.turns(last.content, [Message(turn.role, turn.content) for turn in before])
        text = self._writer.start(turns)
        prompt, spent = self._asker.prompt, None
        if prompt.reasoning:
            reasoned = question.model_copy(update={"max_tokens": prompt.reasoning})
            spent = answer(self._loaded, reasoned, say, is_cancelled, text=text)
            if spent.reason == "cancelled":
                return spent
            say(prompt.final)
            text += spent.text.rstrip() + prompt.final
        found = answer(self._loaded, self._budgeted(question), say, is_cancelled, self._extra(text), text)
        return self._whole(found, spent).model_copy(update={"sources": self._sources(last.content)})

    def _budgeted(self, question: Question) -> Question:
        """A constraint is finished within its own budget, however many tokens were asked for."""
        if self._asker.prompt.constraint is None:
            return question
        return question.model_copy(update={"max_tokens": self._asker.prompt.max_tokens})

    def _extra(self, text: str) -> dict[str, Any]:
        prompt = self._asker.prompt
        if prompt.constraint is None:
            return {}
        skip = len(self._loaded.tokenizer(text, add_special_tokens=False)["input_ids"])
        compiled = self._writer.compiled(prompt.constraint)
        return {"logits_processor": [compiled.processor(1, prompt.max_tokens, self._writer.ends, skip)]}

    def _whole(self, found: Answered, spent: Answered | None) -> Answered:
        if spent is None:
            return found
        text = spent.text + self._asker.prompt.final + found.text
        seconds, tokens = spent.seconds + found.seconds, spent.tokens + found.tokens
        change = {"text": text, "seconds": seconds, "tokens": tokens, "first_seconds": spent.first_seconds}
        return found.model_copy(update=change)

    def _with_tools(self, question: Question, asked: str, say: Callable[[str], None]) -> Answered:
        """Each line of the trace is told when all are there: a call and what came of it belong together."""
        began = time.perf_counter()
        (written,) = self._writer.answer([asked])
        say(written.text)
        tokens = len(self._loaded.tokenizer(written.text)["input_ids"])
        return Answered(id=question.id, text=written.text, tokens=tokens, seconds=time.perf_counter() - began)

    def _sources(self, question: str) -> tuple[str, ...]:
        """Number and origin of the passages the model was shown."""
        asked = self._asker.prompt.question.replace("{question}", question)
        found = getattr(self._asker.finder, "found", {}).get(asked, [])
        shown = found[: getattr(self._asker.finder, "k", len(found))]
        return tuple(f"[{passage.number}] {passage.title or passage.source}" for passage in shown)
