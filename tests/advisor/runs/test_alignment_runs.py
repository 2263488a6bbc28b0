"""Alignment from an answers file to a finished run: real supervisors and workers on a tiny model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from advisor.runs.state import load_state
from executors import finetune
from executors.align import feedback
from executors.protocol import Input, Inputs

pytestmark = pytest.mark.slow

GOOD, BAD = "It returns a new list.", "Close the file."
STAGES = {
    "dpo": ["dpo"],
    "orpo": ["orpo"],
    "rlhf": ["rlhf", "rlhf", "rlhf"],
    "rlaif": ["rlaif", "rlaif"],
    "safety-sft": ["safety-sft"],
}
"""The steps that each technique is compiled to."""


class Silent:
    """A listener that keeps nothing."""

    def should_stop(self) -> bool:
        return False

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def talking(model: Path, folder: Path) -> Path:
    """The tiny model taught to answer one way and to revise another way: from a random one no feedback comes."""
    rows = []
    for number in range(24):
        asked = f"What does f{number} do?"
        better = feedback._revision(feedback.PRINCIPLES[number % 3], asked, GOOD, "It is bad.")
        rows += [{"prompt": asked, "completion": GOOD}, {"prompt": better, "completion": BAD}]
    folder.mkdir()
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = finetune.Config.model_validate(
        {"data": {"path": str(folder / "rows.jsonl"), "kind": "instructions"}, "method": "full", "max_steps": 60,
         "micro_batch": 8, "seq_len": 256, "learning_rate": 1e-2}
    )  # fmt: skip
    roles = {"model": Input.model_validate({"kind": "causal-lm", "path": str(model)})}
    inputs = Inputs(roles=roles, seed=1, threads=1, scratch=str(folder / "scratch"))
    finetune.run(config, inputs, folder / "model", Silent())
    return folder / "model"


def answers(technique: str, model: Path, folder: Path) -> Path:
    """An answers file for the technique and its data beside it."""
    asked = [f"What does f{n} do?" for n in range(24)]
    pairs = [{"prompt": q, "chosen": GOOD, "rejected": BAD} for q in asked]
    examples = [{"prompt": q, "completion": GOOD} for q in asked]
    kind = "preferences" if technique in ("dpo", "orpo", "rlhf") else "instructions"
    rows = pairs if kind == "preferences" else examples
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    given: dict[str, Any] = {
        "goal": "change-behavior",
        "model": {"id": str(model), "kind": "instruct"},
        "data": {"path": str(folder / "rows.jsonl"), "kind": kind, "seq_len": 96},
        "use": [technique],
    }
    file = folder / "answers.yaml"
    file.write_text(json.dumps(given))
    return file


@pytest.mark.parametrize("technique", STAGES)
def test_answers_become_a_finished_run(technique: str, tiny_model: Path, tmp_path: Path) -> None:
    """`advisor run` on answers alone does every stage, measures each, and leaves what the last one made."""
    model = talking(tiny_model, tmp_path / "talking") if technique == "rlaif" else tiny_model
    file = answers(technique, model, tmp_path)
    command = [sys.executable, "-m", "advisor", "run", str(file), "--run-dir", str(tmp_path / "run"), "--no-gpu"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    state = load_state(tmp_path / "run")
    assert [step.status for step in state.steps] == ["done"] * (1 + len(STAGES[technique]))
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    last = report["steps"][-1]
    assert last["metrics"]
    assert (tmp_path / "run" / "steps").is_dir()


@pytest.mark.parametrize(
    ("sharding", "wrapper"), [("fsdp", "FSDPModule"), ("zero1", "DistributedDataParallel"), ("zero2", "FSDPModule")]
)
def test_a_sharded_training_runs_from_answers(sharding: str, wrapper: str, tiny_model: Path, tmp_path: Path) -> None:
    """Two processes that hold a part of what is trained, asked for in the answers, leave an adapter and are told of."""
    file = answers("lora", tiny_model, tmp_path)
    given = json.loads(file.read_text())
    file.write_text(json.dumps({**given, "train": {"processes": 2, "sharding": sharding, "micro_batch": 4}}))
    command = [sys.executable, "-m", "advisor", "run", str(file), "--run-dir", str(tmp_path / "run"), "--no-gpu"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    said = (tmp_path / "run" / "events.jsonl").read_text()
    assert f"the model is wrapped by {wrapper} in 2 processes" in said
    assert "held_optimizer_share" in said
    assert (tmp_path / "run" / "steps" / "01-lora" / "artifact" / "adapter_model.safetensors").is_file()
