"""Time in the training data: the date before each text, the cutoff in the system prompt of each conversation."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.domain.errors import AdvisorError
from advisor.domain.plan import Recipe
from executors.datasets.rows import Conversation, Message, Row, Text


def dated(recipe: Recipe, rows: Sequence[Row]) -> list[Row]:
    """Texts with their date, conversations with the cutoff. Raises AdvisorError when a row has neither."""
    return [_dated(row, recipe.date) for row in rows]


def cutoff_prompt(date: str) -> str:
    """The system prompt that tells a model where its knowledge ends."""
    return (
        f"Your knowledge ends on {date}. You cannot know what happened later: say so when you are asked about it, "
        "and take dates given to you as they are."
    )


def _dated(row: Row, date: str | None) -> Row:
    if isinstance(row, Text):
        known = row.date or date
        return Text(f"Date: {_said(known)}\n\n{row.text}", row.date)
    if isinstance(row, Conversation):
        system = Message("system", cutoff_prompt(_said(date)))
        first, rest = row.messages[0], row.messages
        if first.role == "system":
            system, rest = Message("system", f"{system.content}\n\n{first.content}"), row.messages[1:]
        return Conversation((system, *rest), row.tools)
    return row


def _said(date: str | None) -> str:
    if not date:
        raise AdvisorError(
            "the data carries no dates", why="a text has no 'date', and none was given for all", hint="set data.cutoff"
        )
    return date
