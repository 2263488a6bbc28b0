"""How far a compressed model's next-token distributions are from the model's it was made of, on text it never saw.

Perplexity can fall below the original's where the original is too sure of itself and noise makes it less so; the
Kullback-Leibler divergence counts every such change, and the perplexity at the best temperature (logits divided by one
number, Guo et al. 2017, arXiv 1706.04599, section 4.2) takes that gain from all alike. Not a benchmark by itself.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from typing import Any, NamedTuple

from tests.bench.compression import CALIBRATION, GENERAL, MODEL

ROWS, TOKENS = 64, 256
"""Held-out rows of each kind, and tokens of a row."""
TEMPERATURES = [0.7 + 0.05 * step for step in range(27)]


class Distance(NamedTuple):
    """Of one model on one kind of text."""

    kl: float
    """Nats per token from the model before."""
    perplexity: float
    """Of all tokens, at the best of `TEMPERATURES`."""
    temperature: float


def divergence(path: str, kind: str) -> tuple[Distance, Distance]:
    """On held-out rows of the calibration data and on general text, measured in a process of its own."""
    asked = json.dumps({"path": path, "kind": kind})
    command = [sys.executable, "-m", "tests.bench.divergence"]
    done = subprocess.run(command, input=asked, check=True, stdout=subprocess.PIPE, text=True)
    first, second = json.loads(done.stdout.splitlines()[-1])
    return Distance(*first), Distance(*second)


def _measured(path: str, kind: str) -> list[Distance]:
    from advisor.domain.words import ArtifactKind
    from executors.models.load import load_model

    dense, made = load_model(ArtifactKind("causal-lm"), MODEL).model, load_model(ArtifactKind(kind), path).model
    return [_between(dense, made, data) for data in (CALIBRATION["data"], GENERAL)]


def _between(dense: Any, made: Any, data: Any) -> Distance:
    import torch

    from advisor.domain.plan import DataSpec
    from executors.datasets import load
    from executors.datasets.file_tokenizer import open_tokenizer
    from executors.datasets.render import token_ids
    from executors.export.parity import compare, model_logits
    from executors.tensors.folder import open_model

    rows = load(DataSpec(**data), "held-out")[:ROWS]
    texts = [torch.tensor(ids[:TOKENS]) for ids in token_ids(rows, open_tokenizer(open_model(MODEL).path))]
    total, tokens, told = 0.0, 0, 0
    losses = torch.zeros(len(TEMPERATURES), dtype=torch.float64)
    for text in texts:
        # One at a time: the logits of all would not fit in memory.
        logits = model_logits(made, [text])
        pair = compare(model_logits(dense, [text]), logits)
        total, tokens = total + pair.kl * pair.tokens, tokens + pair.tokens
        wide = logits[0][:-1].float()
        for at, temperature in enumerate(TEMPERATURES):
            losses[at] += torch.nn.functional.cross_entropy(wide / temperature, text[1:], reduction="sum")
        told += len(text) - 1
    best = int(losses.argmin())
    return Distance(total / tokens, math.exp(float(losses[best]) / told), TEMPERATURES[best])


if __name__ == "__main__":
    from executors.process.environment import prepare_environment

    prepare_environment(2)
    asked = json.load(sys.stdin)
    print(json.dumps(_measured(asked["path"], asked["kind"])), flush=True)
    os._exit(0)
