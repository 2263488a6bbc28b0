"""Calibration sequences: a step's data as equally long runs of tokens, without padding.

Texts are joined with the end token and windows are taken evenly over the whole, so that every part of the data has
its say. Deterministic; nothing is drawn at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advisor.domain.errors import AdvisorError, Severity
from advisor.domain.plan import DataSpec
from executors.protocol import Say

if TYPE_CHECKING:
    import torch


def calibration_ids(data: DataSpec, model: Path, sequences: int, seq_len: int, say: Say) -> torch.Tensor:
    """Token ids [sequences, seq_len] of the training part of `data`.

    Fewer sequences, with a warning, when the data is short; AdvisorError when it does not fill one.
    """
    import torch
    from transformers import AutoTokenizer

    from executors.datasets import load

    tokenizer = AutoTokenizer.from_pretrained(str(model), trust_remote_code=False, local_files_only=True)
    stream: list[int] = []
    wanted = sequences * seq_len
    for text in texts(load(data, "train"), tokenizer):
        stream += tokenizer(text, add_special_tokens=False, verbose=False).input_ids
        if tokenizer.eos_token_id is not None:
            stream.append(tokenizer.eos_token_id)
        if len(stream) >= 4 * wanted:
            break
    found = windows(stream, sequences, seq_len)
    if len(found) < sequences:
        say.diagnostic(
            Severity.WARNING,
            "short-calibration",
            f"calibrating with {len(found)} of {sequences} sequences",
            because=f"{data.path} holds {len(stream)} tokens where {wanted} were wanted",
            hint="give more text, or ask for fewer sequences",
        )
    return torch.tensor(found, dtype=torch.long)


def texts(rows: Any, tokenizer: Any) -> Any:
    """Each row as the model would see it: conversations through the chat template, everything else as its text."""
    for row in rows:
        if "messages" in row and tokenizer.chat_template:
            yield tokenizer.apply_chat_template(row["messages"], tokenize=False)
        elif "messages" in row:
            yield "\n".join(message["content"] for message in row["messages"])
        else:
            yield row["text"]


def windows(stream: Sequence[int], sequences: int, seq_len: int) -> list[list[int]]:
    """At most `sequences` windows of `seq_len` ids, spread evenly, without overlap.

    Raises AdvisorError when the stream is shorter than one window.
    """
    fitting = min(sequences, len(stream) // seq_len)
    if fitting == 0:
        raise AdvisorError(
            f"the calibration text has {len(stream)} tokens, fewer than one sequence of {seq_len}",
            hint="give more text, or a smaller seq_len",
        )
    free = len(stream) - fitting * seq_len
    starts = [number * seq_len + (free * number) // max(1, fitting - 1) for number in range(fitting)]
    return [list(stream[start : start + seq_len]) for start in starts]
