"""Whether a text fills a calibration sequence, before anything is loaded. Loads no torch."""

from __future__ import annotations

from pathlib import Path

from advisor.domain.errors import AdvisorError, Diagnostic
from advisor.domain.plan import DataSpec

PER_TEMPLATE = 64
"""Tokens that a chat template may put around a row, at most; a text that is short even so is refused."""


def check_text(data: DataSpec, model: Path, seq_len: int) -> list[Diagnostic]:
    """Danger when the training part of `data` cannot be read, or surely holds less than one sequence of `seq_len`.

    `model`: folder of the tokenizer. Without a `tokenizer.json` only the reading is checked.
    """
    from executors.datasets import load
    from executors.tensors.checks import danger, refusal

    try:
        rows = load(data, "train")
    except AdvisorError as error:
        return [refusal("data", error)]
    texts = [_text(row) for row in rows]
    # A token is at least one byte of text, so plenty of bytes may still be few tokens: those few are counted.
    if sum(len(text) for text in texts) >= 16 * seq_len or not (model / "tokenizer.json").is_file():
        return []
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    found = sum(len(one.ids) + PER_TEMPLATE for one in tokenizer.encode_batch(texts))
    if found >= seq_len:
        return []
    text = f"{data.path} holds fewer than the {seq_len} tokens of one calibration sequence"
    return [danger("short-calibration", text, f"{len(rows)} rows", "give more text, or a smaller seq_len")]


def _text(row: object) -> str:
    from executors.datasets.rows import Conversation, Feedback, Preference, Task, Text

    if isinstance(row, Text):
        return row.text
    assert isinstance(row, Conversation | Preference | Feedback | Task)
    return "\n".join(message.content for message in row.messages)
