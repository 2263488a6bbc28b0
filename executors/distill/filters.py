"""Which of the rows a teacher wrote are worth learning. Pure: texts in, texts out.

Dropped are rows without an end, that repeat themselves, that are too like a kept or a held-out one (Wang et al. 2022,
Self-Instruct, arXiv 2212.10560, section 2.2), and the answers the teacher itself finds least likely.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from executors.datasets.rows import Row

SHORTEST = 3
"""Words of a question; fewer ask nothing."""
REPEATED = 0.5
"""Share of a text's word triples that may have come before in it."""


class Pair(NamedTuple):
    """A question and an answer as written. `loss`: nats per token of the answer, by the teacher's own probabilities."""

    question: str
    answer: str
    is_ended: bool
    loss: float | None = None


def choose(
    pairs: Sequence[Pair], held_out: Sequence[Row], is_own: bool, similarity: float, kept_share: float
) -> tuple[list[Pair], dict[str, int]]:
    """The pairs to learn from, in their order, and how many were dropped for which reason.

    `is_own`: the questions were written too; only then they are compared and the answers ranked.
    """
    dropped: Counter[str] = Counter()
    kept: list[Pair] = []
    known = [triples(row.key) for row in held_out] if is_own else []
    for pair in pairs:
        reason = _fault(pair, is_own)
        mine = triples(pair.question)
        if not reason and is_own and any(likeness(mine, other) > similarity for other in known):
            reason = "similar"
        if reason:
            dropped[reason] += 1
            continue
        kept.append(pair)
        if is_own:
            known.append(mine)
    if is_own and kept:
        ranked = sorted(kept, key=lambda pair: pair.loss if pair.loss is not None else float("inf"))
        best = {id(pair) for pair in ranked[: max(1, round(len(kept) * kept_share))]}
        dropped["unlikely"] = len(kept) - len(best)
        kept = [pair for pair in kept if id(pair) in best]
    return kept, dict(dropped)


def _fault(pair: Pair, is_own: bool) -> str:
    if not pair.question or not pair.answer:
        return "empty"
    if not pair.is_ended:
        return "unfinished"
    if is_own and len(pair.question.split()) < SHORTEST:
        return "short"
    return "repetitive" if repetition(pair.answer) > REPEATED else ""


def triples(text: str) -> frozenset[tuple[str, ...]]:
    """Runs of three words, case and punctuation apart; of a shorter text the whole."""
    words = re.findall(r"\w+", text.lower())
    return frozenset(zip(words, words[1:], words[2:], strict=False)) or frozenset([tuple(words)])


def likeness(first: frozenset[tuple[str, ...]], second: frozenset[tuple[str, ...]]) -> float:
    """Share of triples that two texts have in common, of all that they have (Jaccard)."""
    return len(first & second) / max(1, len(first | second))


def repetition(text: str) -> float:
    """Share of a text's word triples that stand in it before."""
    words = re.findall(r"\w+", text.lower())
    runs = list(zip(words, words[1:], words[2:], strict=False))
    return 1 - len(set(runs)) / len(runs) if runs else 0.0
