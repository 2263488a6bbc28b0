"""How far a compressed model's next-token distributions are from the model's it was made of, on text it never saw.

Perplexity of one kind of text can fall below the original's where a calibration has drawn the model to that kind; the
Kullback-Leibler divergence counts every such change. Not a benchmark by itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from tests.bench.compression import CALIBRATION, GENERAL, MODEL

ROWS, TOKENS = 64, 256
"""Held-out rows of each kind, and tokens of a row."""


def divergence(path: str, kind: str) -> tuple[float, float]:
    """Nats per token on held-out rows of the calibration data and on general text, measured in a process of its own."""
    asked = json.dumps({"path": path, "kind": kind})
    command = [sys.executable, "-m", "tests.bench.divergence"]
    done = subprocess.run(command, input=asked, check=True, stdout=subprocess.PIPE, text=True)
    first, second = json.loads(done.stdout.splitlines()[-1])
    return float(first), float(second)


def _measured(path: str, kind: str) -> list[float]:
    from advisor.domain.words import ArtifactKind
    from executors.models.load import load_model

    dense, made = load_model(ArtifactKind("causal-lm"), MODEL).model, load_model(ArtifactKind(kind), path).model
    return [_between(dense, made, data) for data in (CALIBRATION["data"], GENERAL)]


def _between(dense: Any, made: Any, data: Any) -> float:
    import torch

    from advisor.domain.plan import DataSpec
    from executors.datasets import load
    from executors.datasets.file_tokenizer import open_tokenizer
    from executors.datasets.render import token_ids
    from executors.export.parity import compare, model_logits
    from executors.tensors.folder import open_model

    rows = load(DataSpec(**data), "held-out")[:ROWS]
    texts = [torch.tensor(ids[:TOKENS]) for ids in token_ids(rows, open_tokenizer(open_model(MODEL).path))]
    total, tokens = 0.0, 0
    for text in texts:
        # One at a time: the logits of all would not fit in memory.
        pair = compare(model_logits(dense, [text]), model_logits(made, [text]))
        total, tokens = total + pair.kl * pair.tokens, tokens + pair.tokens
    return total / tokens


if __name__ == "__main__":
    from executors.process.environment import prepare_environment

    prepare_environment(2)
    asked = json.load(sys.stdin)
    print(json.dumps(_measured(asked["path"], asked["kind"])), flush=True)
    os._exit(0)
