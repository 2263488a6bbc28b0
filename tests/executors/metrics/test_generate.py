"""Greedy answers to many prompts."""

from __future__ import annotations

from pathlib import Path

import pytest

from executors.metrics import generate
from executors.models.load import load_model


def test_answers_do_not_depend_on_what_stands_beside_them(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prompts of unlike length, answered together or one by one, are answered alike and in their own order."""
    loaded = load_model("causal-lm", str(tiny_model), "fp32")
    prompts = ["What does f do?", "Return", "Open the file and read every line, then close the file.", "0 1 2 3"]
    done: list[int] = []
    together = generate.complete(loaded, prompts, 8, done.append)
    assert done == [4]
    monkeypatch.setattr(generate, "BATCH_TOKENS", 1)
    done.clear()
    assert generate.complete(loaded, prompts, 8, done.append) == together
    assert done == [1, 2, 3, 4]
    assert len(set(together)) > 1


def test_no_prompt_gives_no_answer(tiny_model: Path) -> None:
    """An empty list of prompts is answered by an empty list."""
    assert generate.complete(load_model("causal-lm", str(tiny_model)), [], 4) == []
