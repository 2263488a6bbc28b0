"""`Walk`: one person's way through the decision tree, as a value that the app and the plain walk share.

It turns given answers into `Answers` and asks the engine for advice on the way. It draws nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from advisor.domain.answers import Answers
from advisor.domain.errors import AdvisorError
from advisor.domain.facts import Facts
from advisor.domain.knowledge import Knowledge
from advisor.domain.profiles import HardwareProfile
from advisor.domain.recommendation import Recommendation
from advisor.domain.tree import Choice, Question


@dataclass(frozen=True)
class Walk:
    """Where a walk stands. Every change gives a new one."""

    knowledge: Knowledge
    hardware: HardwareProfile
    answered: Mapping[str, Any] = field(default_factory=dict)
    """Question id -> value; None: passed over."""
    order: tuple[str, ...] = ()
    """Ids in the order they were answered."""
    profile: str = "default"

    @cached_property
    def question(self) -> Question | None:
        """The question to ask now; None when the walk is complete."""
        from advisor.engine.walk import next_question

        return next_question(self.knowledge.tree, self.answered, self.facts)

    @cached_property
    def facts(self) -> Facts | None:
        """What is known so far; None before the goal is."""
        answers = self.answers
        if answers is None:
            return None
        from advisor.engine.facts import build_facts
        from advisor.runs.advise import Overrides, data_of, hardware_of, model_of

        hardware = self.hardware if answers.hardware is None else hardware_of(answers, Overrides())
        return build_facts(self.knowledge, answers, hardware, model_of(answers, self.knowledge), data_of(answers))

    @cached_property
    def answers(self) -> Answers | None:
        """The answers given so far; None before the goal is among them."""
        values = self._values()
        return Answers.model_validate(values) if "goal" in values else None

    @cached_property
    def recommendation(self) -> Recommendation | None:
        """The advice so far, without flips; None before the goal is known."""
        facts = self.facts
        if facts is None:
            return None
        from advisor.engine.recommend import recommend

        return recommend(self.knowledge, facts, self.profile, with_flips=False)

    def suggestion(self, question: Question) -> Choice | None:
        """The choice the facts suggest for `question`: what is prefilled, and what "I don't know" takes."""
        from advisor.engine.conditions import holds

        facts = self.facts
        if facts is not None:
            for choice in question.choices:
                if choice.suggested_when is not None and holds(choice.suggested_when, facts):
                    return choice
        return next((c for c in question.choices if question.default is not None and c.value == question.default), None)

    def answer(self, value: Any) -> Walk:
        """The walk with the current question answered. Raises AdvisorError for a value that is not valid."""
        question = self.question
        if question is None:
            return self
        return self._with(question, parse(question, value))

    def skip(self) -> Walk:
        """The walk with the current question left to the advisor: its suggestion, or nothing said."""
        question = self.question
        if question is None:
            return self
        if question.required:
            raise AdvisorError("this question decides everything that follows", hint="choose one of the answers")
        suggested = self.suggestion(question)
        if suggested is None and question.choices and question.next is None:
            suggested = question.choices[0]
        if suggested is not None:
            return self._with(question, [suggested.value] if question.kind == "many" else suggested.value)
        return self._with(question, None)

    def back(self) -> Walk:
        """The walk without its latest answer."""
        if not self.order:
            return self
        last = self.order[-1]
        kept = {key: value for key, value in self.answered.items() if key != last}
        return replace(self, answered=kept, order=self.order[:-1])

    def _with(self, question: Question, value: Any) -> Walk:
        changed = replace(self, answered={**self.answered, question.id: value}, order=(*self.order, question.id))
        try:
            # Facts read the model and the data, so a path that leads nowhere is told at its own question.
            _ = changed.facts
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            raise AdvisorError(f"{question.key}: {fault['msg']}", hint=question.meaning) from None
        return changed

    def _values(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for question_id in self.order:
            value = self.answered.get(question_id)
            if value is None:
                continue
            *parents, key = self.knowledge.tree.question(question_id).key.split(".")
            place = values
            for parent in parents:
                place = place.setdefault(parent, {})
            place[key] = value
        return values


def parse(question: Question, value: Any) -> Any:
    """`value` (text as typed, or a choice's value) as the answer of `question`. Raises AdvisorError."""
    if question.kind == "many":
        words = value if isinstance(value, list | tuple) else [w for w in str(value).replace(",", " ").split() if w]
        return [parse_choice(question, word) for word in words]
    if question.kind == "choice":
        return parse_choice(question, value)
    if question.kind == "number":
        return _number(question, str(value))
    text = str(value).strip()
    if not text:
        raise AdvisorError("an empty answer", hint="type a value, or skip the question")
    return text


def parse_choice(question: Question, value: Any) -> Any:
    """One of the question's choices, by its value or its number from 1."""
    for choice in question.choices:
        if choice.value == value or str(choice.value) == str(value):
            return choice.value
    if str(value).isdigit() and 1 <= int(value) <= len(question.choices):
        return question.choices[int(value) - 1].value
    raise AdvisorError(f"{str(value)!r} is not among the answers", hint=f"1 to {len(question.choices)}")


SUFFIXES = {"k": 10**3, "m": 10**6, "b": 10**9}


def _number(question: Question, text: str) -> float | int:
    cleaned = text.strip().lower().replace(",", "").replace("_", "")
    factor = 1.0
    if cleaned and cleaned[-1] in SUFFIXES:
        # A question that counts in billions already is answered "7b" or "135m" by people.
        in_billions = 10**9 if question.unit.startswith("billion") else 1
        factor, cleaned = SUFFIXES[cleaned[-1]] / in_billions, cleaned[:-1]
    try:
        value = float(cleaned) * factor
    except ValueError:
        raise AdvisorError(f"{text!r} is not a number", hint=f"in {question.unit}" if question.unit else "") from None
    if value != value or abs(value) == float("inf") or value < 0:
        raise AdvisorError(f"{text!r} is not a usable number", hint="a number of zero or more")
    return int(value) if value == int(value) else value


def begin(hardware: HardwareProfile, profile: str = "default") -> Walk:
    """A new walk on this hardware."""
    from advisor.knowledge import load_knowledge

    return Walk(load_knowledge(), hardware, profile=profile)
