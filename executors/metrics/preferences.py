"""Which of two answers a model finds likelier, and by how much: the measures of alignment by preference.

The margin is in nats per token, so that a long answer does not lose by its length (SimPO, Meng et al. 2024, section
2.2); the sum over the whole answer, which DPO compares with a reference, stands beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from executors.datasets.render import encode
from executors.datasets.rows import Conversation, Feedback, Preference
from executors.metrics.answers import answer_losses


@dataclass(frozen=True)
class PairScore:
    """Log-likelihoods (nats) of the better and the worse answer of one pair, and their numbers of tokens."""

    better: float
    better_tokens: int
    worse: float
    worse_tokens: int

    @property
    def margin(self) -> float:
        """Nats per token by which the better answer is likelier."""
        return self.better / self.better_tokens - self.worse / self.worse_tokens

    @property
    def whole_margin(self) -> float:
        """Nats by which the better answer is likelier as a whole."""
        return self.better - self.worse

    @property
    def loss(self) -> float:
        """log(1 + exp(-margin)): positive, and lower is better, whatever the sign of the margin."""
        return max(0.0, -self.margin) + math.log1p(math.exp(-abs(self.margin)))


def score_pairs(
    model: Any,
    tokenizer: Any,
    pairs: Sequence[Preference],
    seq_len: int,
    after_batch: Callable[[int], None] = lambda done: None,
) -> dict[int, PairScore]:
    """The score of each pair by its index; a pair of which an answer begins beyond `seq_len` tokens is left out."""
    rows = [Conversation(turns) for pair in pairs for turns in (pair.messages, pair.worse)]
    sequences = encode(rows, tokenizer, seq_len)
    found = {s.row: r for s, r in zip(sequences, answer_losses(model, sequences, after_batch), strict=True)}
    scores = {}
    for number in range(len(pairs)):
        if 2 * number in found and 2 * number + 1 in found:
            (better, one), (worse, other) = found[2 * number], found[2 * number + 1]
            scores[number] = PairScore(-better, one, -worse, other)
    return scores


def score_marked(
    model: Any,
    tokenizer: Any,
    rows: Sequence[Feedback],
    seq_len: int,
    after_batch: Callable[[int], None] = lambda done: None,
) -> dict[int, float]:
    """Nats per token of each marked answer, by its index."""
    sequences = encode(rows, tokenizer, seq_len)
    results = zip(sequences, answer_losses(model, sequences, after_batch), strict=True)
    return {sequence.row: -loss / count for sequence, (loss, count) in results}


def ranked_above(good: Sequence[float], bad: Sequence[float]) -> list[float]:
    """For each good answer the share of bad ones that are less likely; ties count half. The mean is the area under
    the ROC curve (Hanley and McNeil 1982)."""
    return [sum((g > b) + 0.5 * (g == b) for b in bad) / len(bad) for g in good]
