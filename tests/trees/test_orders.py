"""The orders that the sources state, and the disagreements between them."""

from __future__ import annotations

import pytest

from advisor.domain.knowledge import Knowledge

STATED = {
    "golden": "distill finetune merge prune quantize",
    "prune-distill-quantize": "prune distill quantize",
    "prune-quantize-distill": "prune quantize distill",
    "prune-quantize": "prune finetune quantize",
    "distill-quantize": "distill quantize",
}
QUESTIONS = {
    "prune-distill-quantize-order": {"000", "003", "004", "arxiv-2511.19495"},
    "finetune-after-prune": {"000", "001", "004", "modelopt"},
    "prune-after-finetune": {"000"},
    "quantize-last": {"000", "002", "003", "004"},
    "large-models": {"002", "004"},
    "minimum-data": {"002", "004"},
    "distill-first-or-last": {"000", "001", "003"},
    "unstructured-sparsity-pays": {"004", "llm-compressor"},
}


@pytest.mark.parametrize("order_id", STATED)
def test_stated(knowledge: Knowledge, order_id: str) -> None:
    """Each order stands as its source gives it, with a reason for every step."""
    order = next(o for o in knowledge.orders if o.id == order_id)
    assert " ".join(order.families) == STATED[order_id]
    assert set(order.reasons) == set(order.families)


def test_golden_departures(knowledge: Knowledge) -> None:
    """The default profile departs from the golden order on two pairs and says why."""
    golden = next(o for o in knowledge.orders if o.id == "golden")
    assert {(d.first, d.then) for d in golden.departures} == {("distill", "prune"), ("finetune", "prune")}
    assert all(len(d.because) > 40 for d in golden.departures)


@pytest.mark.parametrize("question_id", QUESTIONS)
def test_disagreement(knowledge: Knowledge, question_id: str) -> None:
    """Each disagreement names who says what, the side taken, why, and how to measure it."""
    found = next(d for d in knowledge.disagreements if d.id == question_id)
    assert {side.source.split()[0] for side in found.sides} >= QUESTIONS[question_id]
    assert found.taken
    assert found.because
    assert found.measurable


def test_ordering_figures(knowledge: Knowledge) -> None:
    """The one direct comparison of all six orders is shown with its six scores, the taken order best."""
    found = next(d for d in knowledge.disagreements if d.id == "prune-distill-quantize-order")
    scores = next(side.numbers for side in found.sides if side.source.startswith("arxiv-2511.19495"))
    assert len(scores) == 6
    assert max(scores, key=lambda name: float(scores[name])) == "P-D-Q"
