"""A small training: settings and data that take a second on the tiny model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from executors.finetune import Config
from executors.protocol import Input, Inputs


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty questions with answers of few different words."""
    words = ("list", "text", "file", "line")
    rows = [{"prompt": f"What does f{n} do?", "completion": f"It returns the {words[n % 4]}."} for n in range(40)]
    path = tmp_path_factory.mktemp("data") / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def config(tiny_data: Path) -> Callable[..., Config]:
    """Settings of a training of twelve steps; keywords change them."""

    def make(**changes: Any) -> Config:
        settings: dict[str, Any] = {
            "data": {"path": str(tiny_data), "kind": "instructions", "held_out": 0.2},
            "max_steps": 12,
            "micro_batch": 4,
            "seq_len": 96,
            "learning_rate": 5e-3,
            "rank": 8,
        }
        return Config.model_validate({**settings, **changes})

    return make


@pytest.fixture
def inputs(tiny_model: Path, tmp_path: Path) -> Inputs:
    """The tiny model, one thread, a fresh scratch folder."""
    model = Input(kind="causal-lm", path=str(tiny_model))
    return Inputs(roles={"model": model}, seed=1, threads=1, scratch=str(tmp_path / "scratch"))
