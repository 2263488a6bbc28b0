"""Cross-encoders: a question and a passage read together, one score for the pair (Nogueira and Cho 2019, arXiv
1901.04085, section 3). Reads folders as sentence-transformers and transformers save them, weights from safetensors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from advisor.domain.errors import AdvisorError
from executors.models.encoder import WEIGHTS, load_encoder
from executors.tensors.folder import read_json

BATCH = 32
"""Pairs that are read at a time."""
LONGEST = 512
"""Tokens of a pair where neither model nor tokenizer says."""


@dataclass
class CrossEncoder:
    """A loaded cross-encoder. `max_tokens`: what it reads of a pair, special tokens included."""

    model: Any
    tokenizer: Any
    max_tokens: int

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        """How well each text answers the question, 0 to 1 (the logistic function of what the model says)."""
        import torch

        found: list[float] = []
        for start in range(0, len(texts), BATCH):
            part = list(texts[start : start + BATCH])
            # The longer of the two is cut, which is the passage as a rule.
            batch = self.tokenizer(
                [question] * len(part), part, truncation=True, max_length=self.max_tokens, padding=True,
                return_tensors="pt",
            )  # fmt: skip
            with torch.inference_mode():
                logits = self.model(**batch.to(self.model.device)).logits
            found += torch.sigmoid(logits.float().reshape(-1)).tolist()
        return found


def find_cross_encoder(path: str) -> Path:
    """The folder of a local cross-encoder. Raises AdvisorError when it is missing or gives other than one score."""
    folder = Path(path).expanduser()
    hint = "give the folder of a model for sequence classification with one label, as sentence-transformers saves it"
    if not (folder / WEIGHTS).is_file() or not (folder / "config.json").is_file():
        raise AdvisorError(
            f"there is no cross-encoder at {path}", why=f"no {WEIGHTS} with its config.json is in it", hint=hint
        )
    config = read_json(folder / "config.json")
    try:
        kind = str((config.get("architectures") or [""])[0])
        labels = int(config.get("num_labels") or len(config.get("id2label") or (0, 1)))
    except (ValueError, AttributeError, TypeError, IndexError, KeyError):
        raise AdvisorError(f"{folder / 'config.json'} is no description of a model", hint=hint) from None
    if not kind.endswith("ForSequenceClassification") or labels != 1:
        raise AdvisorError(
            f"{folder} is not a cross-encoder",
            why=f"it is {kind or 'of no known kind'} with {labels} labels",
            hint=hint,
        )
    return folder


def load_cross_encoder(path: str) -> CrossEncoder:
    """Load a cross-encoder. Raises AdvisorError for what is missing, unsafe, or not one."""
    from transformers import AutoModelForSequenceClassification

    model, tokenizer = load_encoder(find_cross_encoder(path), AutoModelForSequenceClassification)
    limits = (getattr(model.config, "max_position_embeddings", None), getattr(tokenizer, "model_max_length", None))
    return CrossEncoder(model, tokenizer, int(min([LONGEST, *(n for n in limits if n and math.isfinite(n))])))
