"""Fine-tuned embeddings."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from executors import retrieve
from executors.documents.questions import Question
from executors.models.embedding import load_embedder
from executors.retrieve.finder import read_worked
from executors.retrieve.tune import Pair, Tuning, batches, pairs_of, ranking_loss, tune
from tests.executors.retrieve.conftest import TOWNS


def test_the_loss_is_that_of_the_paper() -> None:
    """With orthogonal passages a question on its own one loses nothing; with equal ones the log of their number."""
    unit = torch.eye(3)
    assert float(ranking_loss(unit, unit)) == pytest.approx(math.log(1 + 2 * math.exp(-20)), abs=1e-6)
    assert float(ranking_loss(unit[:2], unit[:1].expand(2, 3))) == pytest.approx(math.log(2))


def test_passages_that_do_not_count_are_left_out() -> None:
    """Two questions of one passage lose nothing to each other; a wrong passage equal to the right one costs half."""
    unit = torch.eye(2)
    both = torch.stack([unit[0], unit[0]])
    others = torch.tensor([[False, True], [True, False]])
    assert float(ranking_loss(both, both, others)) == pytest.approx(0.0, abs=1e-6)
    assert float(ranking_loss(unit[:1], torch.stack([unit[0], unit[0]]))) == pytest.approx(math.log(2))


def test_wrong_passages_hold_the_words_and_not_the_answer(towns: Path, make_index: Callable[..., Path]) -> None:
    """What a question is told apart from shares its words, and never answers it."""
    index = retrieve.open_index(make_index(towns))
    question = Question("How many people live in Corvin?", ("5600",), (), source="corvin.md")
    (pair,) = pairs_of([question], index.store, Tuning(negatives=2), towns)
    assert "5600" in pair.passage
    assert len(pair.negatives) == 2
    assert not any("5600" in text for text in pair.negatives)
    assert all("live" in text or "Corvin" in text for text in pair.negatives)


def test_every_pair_is_seen_once_an_epoch() -> None:
    """The order depends on the seed alone, and no step has a single pair."""
    steps = batches(9, Tuning(batch=4, epochs=2), seed=1)
    assert len({row for rows in steps[:2] for row in rows}) == 8
    assert [len(rows) for rows in steps] == [4, 4, 4, 4]
    assert steps == batches(9, Tuning(batch=4, epochs=2), seed=1)


def test_training_brings_pairs_together(embedder: Path, listener: Any) -> None:
    """After training each question is nearer to its passage: the loss falls well below where it began."""
    model = load_embedder(str(embedder), "fp32")
    pairs = [Pair(f"where is {word}?", f"{word * 3} stands here") for word in ("apple", "bread", "chair", "dough")]
    losses = tune(model, pairs, Tuning(batch=4, learning_rate=2e-3, epochs=30), 0, listener)
    assert losses[-1] < losses[0] / 2


def test_a_tuned_index_holds_its_model(towns: Path, make_index: Callable[..., Path]) -> None:
    """The index carries its embedding model, searches with it, and a step that follows carries it on."""
    rows = [f'{{"question": "Which number of {n}?", "answer": "{n}", "source": "aldorf.md"}}' for n in (1200, 240)]
    (towns / "questions.jsonl").write_text("\n".join(rows))
    told = {"data": {"path": str(towns), "kind": "documents", "held_out": 0.01}, "tune": {"pairs": 4, "batch": 2}}
    first = make_index(towns, "first", **told)
    assert (first / "embedder/model.safetensors").is_file()
    assert retrieve.open_index(first).search("bridge")
    second = make_index(towns, "second", index=first, search={"by": "hybrid"})
    assert retrieve.open_index(second).search("bridge")


def test_worked_examples_do_not_change_with_the_embeddings(towns: Path, make_index: Callable[..., Path]) -> None:
    """An index of tuned embeddings shows the model the same worked example as one of untouched embeddings."""
    told = '{{"question": "Bridge of {0}, built in?", "answer": "{1}", "source": "{2}.md"}}'
    rows = [told.format(name, people // 5, name.lower()) for name, people in TOWNS.items()]
    (towns / "questions.jsonl").write_text("\n".join(rows))
    data = {"data": {"path": str(towns), "kind": "documents", "held_out": 0.01}}
    plain = read_worked(make_index(towns, "plain", **data))
    assert plain
    tuned = make_index(towns, "tuned", **data, tune={"pairs": 6, "batch": 2, "epochs": 3, "learning_rate": 0.1})
    assert read_worked(tuned) == plain
