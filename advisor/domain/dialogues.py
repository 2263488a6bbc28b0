"""Answers in the forms of published data: pairs of whole dialogues in one text, one answer as a turn. Pure.

Sources: HH-RLHF (Bai et al. 2022, arXiv:2204.05862), whose turns begin with "Human:" and "Assistant:"; the
conversational sets of TRL, whose completions are lists of turns.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from advisor.domain.json_names import named
from advisor.domain.row_shapes import BadFields

ROLES = {
    "system": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "tool": "tool",
    "function": "tool",
}
"""The names that turns go by, and the role each means."""
_TEXT_PARTS = ("text", "input_text", "output_text")
"""Types of a part that is text: chat messages of OpenAI and Hugging Face, and OpenAI's Responses."""
_TURN = re.compile(r"\n\n(Human|Assistant):")
_ROLES = {"Human": "user", "Assistant": "assistant"}


def sides_of(row: Mapping[str, Any]) -> tuple[Any, Any]:
    """`chosen` and `rejected` of a pair: as lists of turns where both are dialogues in one text, else as they are.

    A dialogue brings its own prompt, so a row that has one is left alone.
    """
    sides = (row.get("chosen"), row.get("rejected"))
    if row.get("prompt") is not None or row.get("question") is not None:
        return sides
    better, worse = (_turns(side) for side in sides)
    return sides if better is None or worse is None else (better, worse)


def _turns(text: Any) -> list[dict[str, str]] | None:
    """Turns with `role` and `content`; None for what is no text that begins with a person's turn."""
    if not isinstance(text, str):
        return None
    before, *rest = _TURN.split("\n\n" + text.lstrip())
    if before or not rest or rest[0] != "Human":
        return None
    return [{"role": _ROLES[who], "content": said.strip()} for who, said in zip(rest[::2], rest[1::2], strict=True)]


def sole_answer(value: Any) -> Any:
    """The content of a list of one turn, the assistant's, which calls no tool; anything else as it is."""
    if not isinstance(value, list) or len(value) != 1 or not isinstance(value[0], Mapping):
        return value
    turn = value[0]
    if ROLES.get(str(role_in(turn)).lower()) != "assistant" or turn.get("tool_calls"):
        return value
    return content_in(turn, "the answer")


def role_in(turn: Mapping[str, Any]) -> Any:
    """Who speaks, as the turn says it; tables with both names leave one of them null."""
    return turn["role"] if turn.get("role") is not None else turn.get("from")


def is_blank_system(role: str, content: Any) -> bool:
    """Whether a turn of the system says nothing; at the beginning it stands for none, as some programs write it."""
    return role == "system" and isinstance(content, str) and not content.strip()


def content_in(turn: Mapping[str, Any], where: str) -> Any:
    """What is said; the texts of a list of parts as one, with nothing between them, as chat templates write them.

    `where`: which turn, for the reason. Raises BadFields for a part that is no text, as an image.
    """
    content = turn["content"] if turn.get("content") is not None else turn.get("value")
    if not isinstance(content, list):
        return content
    return "".join(_part(part, f"part {number} of {where}") for number, part in enumerate(content, start=1))


def _part(part: Any, where: str) -> str:
    if not isinstance(part, Mapping):
        raise BadFields(f"{where} is {named(part)}, not an object with type and text")
    kind, text = part.get("type", "text"), part.get("text")
    if kind not in _TEXT_PARTS:
        raise BadFields(
            f"{where} is of type {str(kind)[:40]!r}, and models learn from text alone here: "
            "say in text what it holds, or take the row out"
        )
    if not isinstance(text, str):
        raise BadFields(f"the text of {where} is {'missing' if text is None else f'{named(text)}, not a text'}")
    return text
