"""The decision tree as lines: the path lit, what is still open plain, dead branches grey."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.text import Text

from advisor.domain.tree import DecisionTree, Question

TAKEN, HERE, OPEN, DEAD = "●", "◉", "○", "·"


def tree_text(tree: DecisionTree, answered: Mapping[str, Any], current: Question | None) -> Text:
    """The tree from its root. Shapes carry the meaning, colour only repeats it."""
    text = Text(no_wrap=True, overflow="ellipsis")
    _add(text, tree, tree.question(tree.root), answered, current, 0, True, set())
    return text


def _add(
    text: Text,
    tree: DecisionTree,
    question: Question,
    answered: Mapping[str, Any],
    current: Question | None,
    depth: int,
    is_live: bool,
    seen: set[str],
) -> None:
    if question.id in seen:
        return
    seen.add(question.id)
    is_here = current is not None and question.id == current.id
    is_answered = question.id in answered
    mark = HERE if is_here else TAKEN if is_answered and is_live else OPEN if is_live else DEAD
    style = "bold reverse" if is_here else "bold" if is_answered and is_live else "" if is_live else "dim"
    section = f"{question.section} " if question.section else ""
    text.append(f"{'  ' * depth}{mark} {section}{question.key}\n", style)
    given = answered.get(question.id)
    for choice in question.choices if _shows_choices(question, is_here, is_answered, is_live) else ():
        is_chosen = choice.value == given or (isinstance(given, list) and choice.value in given)
        is_open = is_live and (is_chosen or not is_answered)
        leaf = TAKEN if is_chosen and is_live else OPEN if is_open else DEAD
        text.append(
            f"{'  ' * depth}  {leaf} {choice.value}\n", "bold" if is_chosen and is_live else "" if is_open else "dim"
        )
        if choice.next and choice.next != question.next:
            _add(text, tree, tree.question(choice.next), answered, current, depth + 2, is_open, seen)
    if question.next:
        _add(text, tree, tree.question(question.next), answered, current, depth, is_live, seen)


def _shows_choices(question: Question, is_here: bool, is_answered: bool, is_live: bool) -> bool:
    """Branching questions always show where they lead; the others only while they are asked or once answered."""
    branches = any(choice.next for choice in question.choices)
    return branches or ((is_here or is_answered) and is_live)
