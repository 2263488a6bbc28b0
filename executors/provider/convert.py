"""Rows as providers take them: JSON Lines of `messages`, with tools where there are some; counts what is billed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from advisor.domain.errors import AdvisorError
from advisor.domain.plan import DataSpec
from executors.data.records import to_record
from executors.datasets import load
from executors.datasets.rows import Conversation, Message, Preference, Row

LEAST_ROWS = 10
BYTES_PER_TOKEN = 4
"""Their tokenizers are not at hand: four bytes of English are about a token."""
TOKENS_PER_MESSAGE = 4
"""Marks around each message, as OpenAI's cookbook counts them."""


@dataclass(frozen=True)
class Converted:
    """Both sides as records."""

    train: list[dict[str, Any]]
    held_out: list[dict[str, Any]]

    @property
    def tokens(self) -> int:
        """About how many tokens one pass over the training side has."""
        return sum(_tokens(record) for record in self.train)


def checked(spec: DataSpec) -> Converted:
    """Both sides in the provider's form. Raises AdvisorError (exit 2) for data that has none."""
    return Converted(*(_converted(load(spec, side)) for side in ("train", "held-out")))


def write(records: Sequence[dict[str, Any]], file: Path) -> None:
    """One record per line."""
    file.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records), encoding="utf-8")


def _converted(rows: Sequence[Row]) -> list[dict[str, Any]]:
    records = []
    for row in rows:
        if isinstance(row, Preference):
            row = Conversation((*row.prompt, Message("assistant", row.chosen)))
        if isinstance(row, Conversation):
            records.append(_with_call_ids(to_record(Conversation(row.messages, row.tools))))
    if not records:
        raise AdvisorError(
            "providers train on conversations",
            why="the data holds none",
            hint="give instructions, questions or tool calls",
        )
    return records


def _with_call_ids(record: dict[str, Any]) -> dict[str, Any]:
    """The protocol wants an id for each call, and its arguments as a text; a result names the call it answers."""
    number, open_calls = 0, []
    for turn in record["messages"]:
        for call in turn.get("tool_calls", ()):
            number += 1
            call["id"] = f"call_{number}"
            call["function"]["arguments"] = json.dumps(call["function"]["arguments"], ensure_ascii=False)
            open_calls.append(call["id"])
        if turn["role"] == "tool" and open_calls:
            turn["tool_call_id"] = open_calls.pop(0)
    return record


def _tokens(record: dict[str, Any]) -> int:
    text = len(json.dumps(record.get("tools", "")).encode()) if "tools" in record else 0
    for turn in record["messages"]:
        text += len(turn["content"].encode()) + len(json.dumps(turn.get("tool_calls", "")).encode())
    return text // BYTES_PER_TOKEN + TOKENS_PER_MESSAGE * len(record["messages"])
