"""Fine-tunes an embedding model on pairs of question and passage from the documents themselves.

Each question is drawn to its own passage, away from the other passages of its batch (the multiple negatives ranking
loss; Henderson et al. 2017, section 4.3; cosine similarities times 20) and from passages that keyword search ranks high
and that do not answer it (Karpukhin et al. 2020, section 3.2). Only training questions are used; held-out ones are
measured.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from advisor.domain.base import Frozen
from advisor.domain.errors import AdvisorError
from executors.datasets.rows import hashed
from executors.documents.questions import Question
from executors.protocol import Say, Stopped
from executors.retrieve.chunks import Chunk
from executors.retrieve.store import ChunkStore, texts_of

if TYPE_CHECKING:
    from executors.models.embedding import Embedder

SCALE = 20.0
WARMUP = 0.1
LOOKED_AT = 12
"""Passages of keyword search among which wrong ones are looked for."""
TOGETHER = 16
"""Texts that are padded to one length."""
_BESIDE = ("modules.json", "sentence_bert_config.json", "config_sentence_transformers.json")


class Tuning(Frozen):
    """Settings of the contrastive training."""

    pairs: int = Field(default=1280, ge=2, le=1_000_000)
    batch: int = Field(default=32, ge=2, le=4096)
    """Pairs of one step; the others of a batch are what each question is told apart from."""
    learning_rate: float = Field(default=5e-5, gt=0, lt=1)
    epochs: int = Field(default=1, ge=1, le=100)
    negatives: int = Field(default=1, ge=0, le=8)
    """Passages for each question that hold its words and do not answer it."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A question, the passage that answers it, and passages that look like it and do not."""

    question: str
    passage: str
    negatives: tuple[str, ...] = ()


def pairs_of(questions: Sequence[Question], store: ChunkStore, tuning: Tuning, scratch: Path) -> list[Pair]:
    """At most `tuning.pairs` questions with the first passage of their source that answers them.

    Writes a keyword index into `scratch`.
    """
    from executors.retrieve import bm25

    keywords = None
    if tuning.negatives:
        bm25.build(texts_of(store), scratch)
        keywords = bm25.KeywordIndex(scratch, store.count("chunks"))
    found: list[Pair] = []
    for question in questions:
        if len(found) == tuning.pairs:
            break
        passage = next((c.embedded for c in store.chunks_of(question.source) if question.is_in(c.embedded)), None)
        if passage is not None:
            rows = [row for row, _ in keywords.search(question.text, LOOKED_AT)] if keywords is not None else []
            texts = [Chunk(each.text, each.heading, 0).embedded for each in store.get(rows)]
            wrong = [text for text in texts if not question.is_in(text)]
            found.append(Pair(question.text, passage, tuple(wrong[: tuning.negatives])))
    return found


def tune(embedder: Embedder, pairs: Sequence[Pair], tuning: Tuning, seed: int, say: Say) -> list[float]:
    """Train `embedder` in place, in float32; the loss of each step. Raises AdvisorError for too few pairs, Stopped."""
    import torch

    if len(pairs) < 2:
        raise AdvisorError("embeddings cannot be fine-tuned", why="fewer than two questions have a passage")
    model = embedder.model.float().train()
    steps = batches(len(pairs), tuning, seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=tuning.learning_rate, weight_decay=0.01)
    losses = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for number, rows in enumerate(steps):
            if say.should_stop():
                raise Stopped
            for group in optimizer.param_groups:
                group["lr"] = tuning.learning_rate * _rate(number, len(steps))
            loss = _loss(embedder, [pairs[row] for row in rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(float(loss.detach()))
            say.metric("loss", losses[-1], at=number + 1)
            say.progress(number + 1, len(steps), "steps", "fine-tuning embeddings")
    model.eval()
    return losses


def _loss(embedder: Embedder, pairs: Sequence[Pair]) -> Any:
    import torch

    texts = [pair.passage for pair in pairs] + [text for pair in pairs for text in pair.negatives]
    asked = _vectors(embedder, [embedder.query_prompt + pair.question for pair in pairs])
    passages = _vectors(embedder, [embedder.document_prompt + text for text in texts])
    # The same passage may answer several questions of a batch: it is no wrong one for any of them.
    same = [[at != row and text == pair.passage for at, text in enumerate(texts)] for row, pair in enumerate(pairs)]
    return ranking_loss(asked, passages, torch.tensor(same, device=asked.device))


def _vectors(embedder: Embedder, texts: Sequence[str]) -> Any:
    """Unit vectors with gradients (texts, dimension); texts of like length together, since padding costs the same."""
    import torch

    lengths = embedder.count(texts)
    order = sorted(range(len(texts)), key=lambda at: (lengths[at], at))
    groups = [order[at : at + TOGETHER] for at in range(0, len(order), TOGETHER)]
    vectors = torch.cat([embedder.pooled(embedder.encoded([texts[at] for at in group])) for group in groups])
    return vectors[torch.tensor(order, device=vectors.device).argsort()]


def ranking_loss(questions: Any, passages: Any, left_out: Any = None) -> Any:
    """Mean cross-entropy of each question's own passage among all; unit vectors of shape (batch, dimension).

    Passage n answers question n; further passages answer none. `left_out`: [questions, passages] that do not count.
    """
    import torch

    scores = questions @ passages.T * SCALE
    if left_out is not None:
        scores = scores.masked_fill(left_out, -torch.inf)
    return torch.nn.functional.cross_entropy(scores, torch.arange(len(scores), device=scores.device))


def batches(count: int, tuning: Tuning, seed: int) -> list[list[int]]:
    """Row numbers of each step, in an order that depends on the seed alone; a rest of one is left out."""
    found = []
    for epoch in range(tuning.epochs):
        order = sorted(range(count), key=lambda row: hashed(f"{seed}:{epoch}:{row}"))
        cut = [order[at : at + tuning.batch] for at in range(0, count, tuning.batch)]
        found += [rows for rows in cut if len(rows) > 1]
    return found


def save_embedder(embedder: Embedder, folder: Path) -> None:
    """Write a folder as sentence-transformers reads it; weights as safetensors, float32."""
    folder.mkdir(parents=True, exist_ok=True)
    embedder.model.save_pretrained(str(folder))
    embedder.tokenizer.save_pretrained(str(folder))
    for name in _BESIDE:
        if (embedder.folder / name).is_file():
            shutil.copyfile(embedder.folder / name, folder / name)
    place = folder / "1_Pooling"
    place.mkdir(exist_ok=True)
    pooling = {
        "word_embedding_dimension": embedder.dimension,
        "pooling_mode_cls_token": embedder.pooling == "cls",
        "pooling_mode_mean_tokens": embedder.pooling == "mean",
    }
    (place / "config.json").write_text(json.dumps(pooling, indent=1))


def _rate(step: int, steps: int) -> float:
    """Share of the learning rate: rises over the first tenth, then falls to zero in a line."""
    warm = max(1, round(steps * WARMUP))
    return (step + 1) / warm if step < warm else max(0.0, (steps - step) / max(1, steps - warm))
