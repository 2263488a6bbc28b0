"""What steers an alignment: held-out pairs and marks, compared with how the model stood before the first step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from advisor.domain.errors import AdvisorError
from executors.datasets.rows import Feedback, Preference
from executors.metrics.preferences import PairScore, ranked_above, score_marked, score_pairs
from executors.training.reporter import Measured

Measurer = Callable[[Any, Any], list[Measured]]


def measure_pairs(pairs: Sequence[Preference], seq_len: int) -> Measurer:
    """Loss, margin and accuracy of held-out pairs, without a reference."""

    def measure(model: Any, tokenizer: Any) -> list[Measured]:
        scores = list(score_pairs(model, tokenizer, pairs, seq_len).values())
        if not scores:
            raise AdvisorError("no held-out pair can be measured", why=f"none fits into {seq_len} tokens")
        return summed(scores)

    return measure


def summed(scores: Sequence[PairScore]) -> list[Measured]:
    """The measures of some pairs; the first is the one to steer by."""
    count = len(scores)
    return [
        Measured("preference_loss", sum(s.loss for s in scores) / count, "nats"),
        Measured("preference_margin", sum(s.margin for s in scores) / count, "nats/token", True),
        Measured("preference_accuracy", sum(s.margin > 0 for s in scores) / count, "share", True),
        Measured("whole_margin", sum(s.whole_margin for s in scores) / count, "nats", True),
    ]


def measure_marked(rows: Sequence[Feedback], seq_len: int) -> Measurer:
    """How often a held-out good answer is likelier than a bad one, and by how much the means differ."""
    if len({row.is_good for row in rows}) < 2:
        raise AdvisorError("the held-out answers are all marked alike", hint="give more data")

    def measure(model: Any, tokenizer: Any) -> list[Measured]:
        scores = score_marked(model, tokenizer, rows, seq_len)
        good = [score for number, score in scores.items() if rows[number].is_good]
        bad = [score for number, score in scores.items() if not rows[number].is_good]
        if not good or not bad:
            raise AdvisorError("no held-out answers can be compared", why=f"too few fit into {seq_len} tokens")
        above = ranked_above(good, bad)
        margin = sum(good) / len(good) - sum(bad) / len(bad)
        return [
            Measured("feedback_margin", margin, "nats/token", True),
            Measured("feedback_accuracy", sum(above) / len(above), "share", True),
        ]

    return measure
