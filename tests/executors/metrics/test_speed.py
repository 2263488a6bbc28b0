"""Speed, memory, and a few answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from executors.metrics.speed import answer, generation_rate, peak_memory_gib, prefill_rate
from executors.models.load import Loaded, load_model


@pytest.fixture(scope="module")
def loaded(tiny_model: Path) -> Loaded:
    return load_model("causal-lm", str(tiny_model), "fp32")


def test_answers_together_are_those_alone(loaded: Loaded) -> None:
    """Questions of different lengths written together get the greedy answers they get alone."""
    questions = ["Hi", "What does the function return when the key is missing?"]
    together = answer(loaded.model, loaded.tokenizer, questions, 8)
    assert together == [answer(loaded.model, loaded.tokenizer, [question], 8)[0] for question in questions]


def test_rates_and_memory_are_positive(loaded: Loaded) -> None:
    """Speeds are counted also for a model that would stop at once, and memory is that of a torch process."""
    assert generation_rate(loaded.model, loaded.tokenizer, "Hi", 1) > 0
    assert prefill_rate(loaded.model, loaded.tokenizer) > generation_rate(loaded.model, loaded.tokenizer, "Hi", 16)
    assert 0.1 < peak_memory_gib() < 64
