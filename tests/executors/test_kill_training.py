"""Kill -9 in the middle of a real training, through supervisor, worker and the finetune executor."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from advisor.domain.plan import Plan
from tests.toy_runs import make_run, of_type, read_events, wait_for

pytestmark = pytest.mark.process

ROOT = Path(__file__).resolve().parents[2]


def training(model: Path, data: Path) -> Plan:
    spec = {"path": str(data), "kind": "instructions"}
    config = {"method": "lora", "data": spec, "max_steps": 12, "save_steps": 2, "micro_batch": 2, "seq_len": 64}
    step = {
        "number": 1,
        "technique": "lora",
        "family": "finetune",
        "executor": "finetune",
        "config": {**config, "dropout": 0.1},
        "inputs": {"model": "base"},
        "produces": "adapter",
    }
    measuring = {"data": spec, "max_examples": 4, "seq_len": 64, "multiple_choice": 0, "generate_tokens": 0}
    plan = {"name": "kill", "model": {"kind": "causal-lm", "path": str(model)}, "steps": [step], "threads": 1}
    return Plan.model_validate({**plan, "evaluation": {"config": measuring}})


def start(run: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "executors.supervisor", str(run)], cwd=ROOT)


def weights(run: Path) -> dict[str, Any]:
    manifest = json.loads((run / "steps/01-lora/artifact/manifest.json").read_text())
    return {name: record["sha256"] for name, record in manifest["files"].items() if name.endswith(".safetensors")}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> tuple[Plan, dict[str, Any]]:
    """The plan, and the weights it leaves when nothing interrupts it."""
    folder = tmp_path_factory.mktemp("training")
    data = folder / "rows.jsonl"
    rows = ({"instruction": f"Return the item {n} of the list.", "output": f"The value is {n * n}."} for n in range(40))
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    plan = training(tiny_model, data)
    run = make_run(folder / "run", plan)
    assert start(run).wait(timeout=200) == 0
    return plan, weights(run)


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["worker", "supervisor"])
def test_bit_identical_after_kill(tmp_path: Path, unbroken: tuple[Plan, dict[str, Any]], victim: str) -> None:
    """Killed with signal 9 after a checkpoint and resumed without a flag, the weights equal an unbroken run's."""
    plan, expected = unbroken
    broken = make_run(tmp_path / "broken", plan)
    supervisor = start(broken)
    wait_for(lambda: [e for e in of_type(broken, "step.progress") if e["step"] == 1 and e["done"] >= 5], 120)
    pid = [e["pid"] for e in of_type(broken, "step.started") if e["step"] == 1][-1]
    os.kill(pid if victim == "worker" else supervisor.pid, signal.SIGKILL)
    assert supervisor.wait(timeout=60) != 0
    before = len(read_events(broken))
    assert not (broken / "steps/01-lora/artifact").exists()
    assert start(broken).wait(timeout=200) == 0
    resumed = [e["done"] for e in read_events(broken)[before:] if e["type"] == "step.progress" and e["unit"] == "steps"]
    assert min(done for done in resumed if done > 0) > 1
    assert weights(broken) == expected
    assert expected
