"""The decision tree as lines: the path lit, what is still open plain, dead branches grey."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.text import Text

from advisor.domain.tree import Choice, DecisionTree, Question
from advisor.engine.conditions import holds
from advisor.engine.walk import facts_said

TAKEN, HERE, OPEN, DEAD = "●", "◉", "○", "·"


class TreeView:
    """Draws a tree with the answers given so far. A question stands under the choice that opens it."""

    def __init__(self, tree: DecisionTree, answered: Mapping[str, Any], current: Question | None) -> None:
        self._tree, self._answered = tree, answered
        self._current = current.id if current is not None else None
        self._facts = facts_said(tree, answered)
        self._opened = {target for q in tree.questions for c in q.choices if (target := opened_by(q, c))}
        self._drawn: set[str] = set()
        self.here = 0
        """Line of the question that is asked now."""
        self.text = Text(no_wrap=True, overflow="ellipsis")
        self._lines = 0
        for question in tree.questions:
            if question.id not in self._opened:
                self._question(question, 0)

    def _line(self, depth: int, mark: str, words: str, style: str) -> None:
        self.text.append(f"{'  ' * depth}{mark} {words}\n", style)
        self._lines += 1

    def _question(self, question: Question, depth: int) -> None:
        if question.id in self._drawn:
            return
        self._drawn.add(question.id)
        is_live = holds(question.ask_when, self._facts)
        is_here = question.id == self._current
        is_answered = question.id in self._answered
        if is_here:
            self.here = self._lines
        mark = HERE if is_here else DEAD if not is_live else TAKEN if is_answered else OPEN
        style = "bold reverse" if is_here else "dim" if not is_live else "bold" if is_answered else ""
        section = f"{question.section} " if question.section else ""
        self._line(depth, mark, f"{section}{question.key}", style)
        branches = any(opened_by(question, choice) for choice in question.choices)
        if branches or is_here or (is_answered and is_live):
            for choice in question.choices:
                self._choice(question, choice, depth + 1, is_live)

    def _choice(self, question: Question, choice: Choice, depth: int, is_live: bool) -> None:
        given = self._answered.get(question.id)
        is_chosen = choice.value in given if isinstance(given, list | tuple) else choice.value == given
        is_open = is_live and (is_chosen or question.id not in self._answered)
        mark = TAKEN if is_chosen and is_live else OPEN if is_open else DEAD
        self._line(depth, mark, str(choice.value), "bold" if mark == TAKEN else "" if is_open else "dim")
        target = opened_by(question, choice)
        if target:
            self._question(self._tree.question(target), depth + 1)


def opened_by(question: Question, choice: Choice) -> str | None:
    """The question that only this choice brings up; None when it goes on as every other choice does."""
    return choice.opens or (choice.next if choice.next != question.next else None)
