"""Small judged data: the good answer names a list, the bad one a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from executors.protocol import Input, Inputs


def write_rows(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture(scope="session")
def judged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Data by kind: preferences, feedback, rewards."""
    folder = tmp_path_factory.mktemp("judged")
    asked = [f"What does f{n} do?" for n in range(40)]
    good, bad = "It returns a new list.", "Close the file."
    pairs = [{"prompt": q, "chosen": good, "rejected": bad} for q in asked]
    marks = [{"prompt": q, "completion": a, "label": a == good} for q in asked for a in (good, bad)]
    tasks = [{"prompt": q, "answer": "list", "check": "f1"} for q in asked]
    rows = {"preferences": pairs, "feedback": marks, "rewards": tasks}
    return {
        kind: {"path": write_rows(folder / f"{kind}.jsonl", found), "kind": kind, "held_out": 0.25}
        for kind, found in rows.items()
    }


@pytest.fixture
def inputs(tiny_model: Path, tmp_path: Path) -> Inputs:
    """The tiny model, one thread, a fresh scratch folder."""
    model = Input(kind="causal-lm", path=str(tiny_model))
    return Inputs(roles={"model": model}, seed=1, threads=1, scratch=str(tmp_path / "scratch"))


@pytest.fixture
def settings(judged: dict[str, dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Settings of a training of twelve steps on data of a kind; keywords change them."""

    def make(kind: str, **changes: Any) -> dict[str, Any]:
        common = {"data": judged[kind], "max_steps": 12, "micro_batch": 4, "seq_len": 96, "learning_rate": 5e-3}
        return {**common, "rank": 8, **changes}

    return make
