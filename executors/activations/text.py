"""Calibration sequences: a step's data as equally long runs of tokens, without padding.

Rows are joined as the model would see them in training, and windows are taken evenly over the whole, so that every
part of the data has its say. Deterministic; nothing is drawn at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from advisor.domain.errors import AdvisorError, Severity
from advisor.domain.plan import DataSpec
from executors.protocol import Say

if TYPE_CHECKING:
    import torch

ROWS_AT_ONCE = 256
SURPLUS = 4
"""How many times the wanted tokens are read, so that windows can be spread over more of the data."""


def calibration_ids(data: DataSpec, model: Path, sequences: int, seq_len: int, say: Say) -> torch.Tensor:
    """Token ids [sequences, seq_len] of the training part of `data`.

    Fewer sequences, with a warning, when the data is short; AdvisorError when it does not fill one.
    """
    import torch

    wanted = sequences * seq_len
    stream = _stream(data, model, SURPLUS * wanted)
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


def _stream(data: DataSpec, model: Path, enough: int) -> list[int]:
    """The ids of whole rows, one after another, until there are enough."""
    from transformers import AutoTokenizer

    from executors.datasets import load
    from executors.datasets.render import encode

    tokenizer = AutoTokenizer.from_pretrained(str(model), trust_remote_code=False, local_files_only=True)
    rows = load(data, "train")
    stream: list[int] = []
    for start in range(0, len(rows), ROWS_AT_ONCE):
        for encoded in encode(rows[start : start + ROWS_AT_ONCE], tokenizer, seq_len=enough):
            stream += encoded.ids
        if len(stream) >= enough:
            break
    return stream


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
