"""Runs of the tiny executors in `tests/executors/toys`: real supervisors and workers, without any heavy library."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from advisor.domain.plan import Plan

ROOT = Path(__file__).resolve().parents[1]
TOYS = "tests.executors.toys"


def make_plan(*configs: dict[str, Any], evaluation: dict[str, Any] | None = None, **changes: Any) -> Plan:
    """A chain of `count` steps: the first leaves an adapter, the others a model. `gate` in a config is the step's."""
    steps = []
    for number, given in enumerate(configs, 1):
        config = dict(given)
        is_first = number == 1
        steps.append(
            {
                "number": number,
                "technique": "lora" if is_first else f"merge-{number}",
                "family": "finetune" if is_first else "merge",
                "executor": "count",
                "max_regression": config.pop("gate", None),
                "on_regression": config.pop("then", None),
                "config": config,
                "inputs": {"model": "base"} if is_first else {"model": "base", "adapter": "1"},
                "produces": "adapter" if is_first else "causal-lm",
            }
        )
    plan = {"name": "toy", "model": {"kind": "causal-lm", "path": "builtin:toy"}, "steps": steps, "threads": 1}
    return Plan.model_validate({**plan, "evaluation": {"executor": "measure", "config": evaluation or {}}, **changes})


def make_run(folder: Path, plan: Plan) -> Path:
    """A run folder that holds the plan and nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plan.yaml").write_text(json.dumps(plan.model_dump(mode="json", by_alias=True)))
    return folder


def start(run_dir: Path, *options: str) -> subprocess.Popen[str]:
    """Start a supervisor."""
    command = [sys.executable, "-m", "executors.supervisor", str(run_dir), "--executors", TOYS, *options]
    return subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def supervise(run_dir: Path, *options: str) -> tuple[int, str]:
    """Run a supervisor to its end. Returns its exit code and what it said on stderr."""
    process = start(run_dir, *options)
    _, said = process.communicate(timeout=60)
    return process.returncode, said


def read_events(run_dir: Path) -> list[dict[str, Any]]:
    """All whole events so far."""
    path = run_dir / "events.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def of_type(run_dir: Path, kind: str) -> list[dict[str, Any]]:
    """The events of one type."""
    return [event for event in read_events(run_dir) if event["type"] == kind]


def wait_for(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    """The first true value of `condition`. Fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it did not happen in time")


def worker_pid(run_dir: Path, number: int = 1) -> int:
    """The pid of the worker of a step's work, once it has reported progress."""
    wait_for(lambda: [e for e in of_type(run_dir, "step.progress") if e["step"] == number])
    started = [e for e in of_type(run_dir, "step.started") if e["step"] == number and e["phase"] == "work"]
    return int(started[-1]["pid"])


def processes_of(run_dir: Path) -> list[int]:
    """Pids of every living process of the run: those that were started for its folder, or lie in it."""
    import psutil

    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), process.cwd()]
            if process.status() != psutil.STATUS_ZOMBIE and any(str(run_dir) in word for word in words):
                found.append(process.pid)
        except psutil.Error:
            continue
    return [pid for pid in found if pid != os.getpid()]


def state_of(run_dir: Path, number: int = 1) -> str:
    """What the `count` step left: a hash over everything it did."""
    folder = next((run_dir / "steps").glob(f"{number:02d}-*"))
    return (folder / "artifact" / "state.txt").read_text()
