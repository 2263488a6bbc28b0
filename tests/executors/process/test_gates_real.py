"""Gates over real models: a prune of 90 % is rolled back, or done again until it holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from advisor.domain.plan import Plan
from advisor.runs.state import load_state
from tests.conftest import TINY_CORPUS
from tests.toy_runs import make_run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def learned(make_model: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that has learned four sentences by heart, and them as a data file beside it."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = make_model(tmp_path_factory.mktemp("learned") / "model")
    tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32, local_files_only=True)
    rows = [torch.tensor([tokenizer(text).input_ids]) for text in TINY_CORPUS]
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(60):
        for ids in rows:
            model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.to(torch.bfloat16).save_pretrained(folder)
    lines = [json.dumps({"text": text}) for text in TINY_CORPUS * 4]
    (folder.parent / "rows.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def test_prune_rolled_back_then_milder(learned: Path, tmp_path: Path) -> None:
    """Magnitude pruning of 90 % breaks the model: one step is rolled back, the next passes with a lower sparsity."""
    import subprocess
    import sys

    data = {"path": str(learned.parent / "rows.jsonl"), "kind": "text"}
    prune = {"family": "prune", "executor": "prune", "produces": "sparse-lm", "max_regression": 0.5}
    config = {"method": "magnitude", "sparsity": 0.9}
    steps = [
        {**prune, "number": 1, "technique": "magnitude-pruning", "config": config, "inputs": {"model": "base"}},
        {**prune, "number": 2, "technique": "again", "config": config, "inputs": {"model": "1"}},
    ]
    steps[0]["on_regression"], steps[1]["on_regression"] = "roll-back", "retry-milder"
    evaluation = {
        "config": {"data": data, "max_examples": 4, "seq_len": 64, "multiple_choice": 0, "generate_tokens": 0}
    }
    plan = Plan.model_validate(
        {
            "name": "real",
            "model": {"kind": "causal-lm", "path": str(learned)},
            "steps": steps,
            "evaluation": evaluation,
            "threads": 1,
        }
    )
    run = make_run(tmp_path / "run", plan)
    done = subprocess.run([sys.executable, "-m", "executors.supervisor", str(run)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    state = load_state(run)
    assert [step.status for step in state.steps] == ["done", "rolled-back", "done"]
    second = state.steps[2]
    assert second.attempts and second.attempts[0].settings == {}
    assert second.settings["sparsity"] < 0.9
    assert second.evaluation["held_out_loss"] <= 1.5 * state.steps[0].evaluation["held_out_loss"]
