"""A small training: settings and data that take a second on the tiny model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from executors.finetune import Config
from executors.protocol import Input, Inputs


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
