"""Adapters trained for a few steps on the tiny model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from executors import finetune
from executors.finetune import Config
from executors.protocol import Input, Inputs

RATES = {"ia3": 5e-2, "bottleneck": 2e-2, "prompt-tuning": 2e-1, "prefix-tuning": 1e-2, "p-tuning-v2": 1e-1}


@pytest.fixture
def trained(tiny_model: Path, tiny_data: Path, tmp_path: Path, listener: Any) -> Callable[..., Path]:
    """Train a method and give its folder; keywords change the settings."""

    def make(method: str, name: str = "", **changes: Any) -> Path:
        settings = {
            "method": method, "data": {"path": str(tiny_data), "kind": "instructions", "held_out": 0.2},
            "max_steps": 30, "micro_batch": 4, "seq_len": 96, "learning_rate": RATES.get(method, 5e-3), "rank": 8,
        }  # fmt: skip
        model = Input(kind="causal-lm", path=str(tiny_model))
        scratch = tmp_path / f"scratch-{method}-{name}"
        inputs = Inputs(roles={"model": model}, seed=int(changes.pop("seed", 1)), threads=1, scratch=str(scratch))
        out = tmp_path / f"{method}-{name}"
        finetune.run(Config.model_validate({**settings, **changes}), inputs, out, listener)
        return out

    return make
