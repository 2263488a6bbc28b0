"""Judged answers as token ids, rendered as supervised training renders them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from executors.datasets.render import IGNORED, Encoded, encode
from executors.datasets.rows import Conversation, Feedback, Preference

Columns = dict[str, Any]


def encode_pairs(rows: Sequence[Preference], tokenizer: Any, seq_len: int) -> list[Columns]:
    """`prompt_ids`, `chosen_ids`, `rejected_ids` of each pair whose answers begin within `seq_len` tokens."""
    turns = [Conversation(t) for row in rows for t in (row.messages, row.worse)]
    found = {s.row: s for s in encode(turns, tokenizer, seq_len)}
    columns = []
    for number in range(len(rows)):
        better, worse = found.get(2 * number), found.get(2 * number + 1)
        if better is None or worse is None:
            continue
        cut = min(_begin(better), _begin(worse))
        columns.append(
            {"prompt_ids": better.ids[:cut], "chosen_ids": better.ids[cut:], "rejected_ids": worse.ids[cut:]}
        )
    return columns


def encode_marked(rows: Sequence[Feedback], tokenizer: Any, seq_len: int) -> list[Columns]:
    """`prompt_ids`, `completion_ids`, `label` of each answer that begins within `seq_len` tokens."""
    columns = []
    for sequence in encode(rows, tokenizer, seq_len):
        cut = _begin(sequence)
        mark = rows[sequence.row].is_good
        columns.append({"prompt_ids": sequence.ids[:cut], "completion_ids": sequence.ids[cut:], "label": mark})
    return columns


def length(columns: Columns) -> int:
    """Tokens of prompt and longest answer."""
    answers = [columns[key] for key in ("chosen_ids", "rejected_ids", "completion_ids") if key in columns]
    return len(columns["prompt_ids"]) + max(len(answer) for answer in answers)


def _begin(sequence: Encoded) -> int:
    """Where the last answer begins: earlier turns of the assistant belong to the prompt."""
    labels = sequence.labels
    end = max(i for i, label in enumerate(labels) if label != IGNORED)
    while end > 0 and labels[end - 1] != IGNORED:
        end -= 1
    return end
