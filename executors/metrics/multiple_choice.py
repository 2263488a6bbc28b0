"""Multiple choice by likelihood: the model is right when it finds the right answer likeliest, per token.

Length-normalised log-likelihood of each answer after the question, as `acc_norm` of the usual harnesses (Brown et al.
2020, 2.4), here per token and through the model's chat template.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from executors.datasets.render import Encoded, encode
from executors.datasets.rows import MultipleChoice, Row, ask
from executors.metrics.answers import answer_losses

LIMIT = 1024
"""Tokens of a question with one of its answers. Apart from the limit for examples, which may be short windows."""


def score_choices(
    model: Any,
    tokenizer: Any,
    questions: Sequence[MultipleChoice],
    after_batch: Callable[[int], None],
    encoded: Callable[[Sequence[Row]], list[Encoded]] | None = None,
) -> list[float]:
    """1.0 for each question answered rightly, else 0.0. A choice beyond `LIMIT` tokens counts as unlikely.

    `encoded`: how rows become sequences, when not as they are.
    """
    rows = [ask(question.question, choice) for question in questions for choice in question.choices]
    sequences = encode(rows, tokenizer, LIMIT) if encoded is None else encoded(rows)
    per_token = dict.fromkeys(range(len(rows)), float("inf"))
    for sequence, (loss, count) in zip(sequences, answer_losses(model, sequences, after_batch), strict=True):
        per_token[sequence.row] = loss / count
    results: list[float] = []
    at = 0
    for question in questions:
        losses = [per_token[at + number] for number in range(len(question.choices))]
        results.append(float(losses.index(min(losses)) == question.answer))
        at += len(question.choices)
    return results
