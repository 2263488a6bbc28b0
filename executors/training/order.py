"""In which order sequences are trained on, and how they become batches. A pure function of lengths and seed."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

from executors.datasets.render import IGNORED, Encoded

POOL = 32
"""Batches that are drawn together and cut by length: little padding, yet every pool is random."""


def count_steps(rows: int, batch: int, epochs: float, max_steps: int | None) -> int:
    """Optimizer steps: `max_steps` if given, else as many as `epochs` passes take; at least one."""
    return max_steps if max_steps is not None else max(1, math.ceil(rows * epochs / batch))


def order_rows(lengths: Sequence[int], batch: int, steps: int, seed: int) -> list[int]:
    """`steps * batch` indices, batch after batch. Every row comes once before any comes again.

    Rows of like length share a batch. The batch with the longest row is first, so that too little memory shows at
    the first step and not after an hour.
    """
    randomness = random.Random(seed)
    total = steps * batch
    stream: list[int] = []
    while len(stream) < total:
        epoch = list(range(len(lengths)))
        randomness.shuffle(epoch)
        stream += epoch
    batches: list[list[int]] = []
    for start in range(0, total, POOL * batch):
        pool = sorted(stream[start : min(start + POOL * batch, total)], key=lambda row: lengths[row])
        cut = [pool[at : at + batch] for at in range(0, len(pool), batch)]
        randomness.shuffle(cut)
        batches += cut
    longest = max(range(steps), key=lambda number: max(lengths[row] for row in batches[number]))
    batches.insert(0, batches.pop(longest))
    return [row for chosen in batches for row in chosen]


def collate(sequences: Sequence[Encoded], pad: int) -> dict[str, Any]:
    """Tensors `input_ids`, `attention_mask`, `labels` of shape [batch, longest], padded on the right."""
    import torch

    longest = max(len(sequence.ids) for sequence in sequences)
    rows = [(s.ids, s.labels, longest - len(s.ids)) for s in sequences]
    return {
        "input_ids": torch.tensor([ids + [pad] * gap for ids, _, gap in rows]),
        "attention_mask": torch.tensor([[1] * len(ids) + [0] * gap for ids, _, gap in rows]),
        "labels": torch.tensor([labels + [IGNORED] * gap for _, labels, gap in rows]),
    }
