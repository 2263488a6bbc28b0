"""`advisor join` beside a run: what it follows and when it ends. The trainings themselves: tests/executors/training."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from advisor.cli import run_command
from advisor.domain.errors import AdvisorError, ExitCode
from advisor.runs.join import join
from executors.process.lock import RunLock
from tests.toy_runs import make_plan, make_run


def a_run(folder: Path, *events: dict[str, Any], machines: int = 2) -> Path:
    """A run folder whose plan and events say this."""
    plan = make_plan({"machines": machines} if machines > 1 else {})
    run = make_run(folder, plan)
    if events:
        lines = [json.dumps({"seq": n, "time": 1.0 + n, **event}) + "\n" for n, event in enumerate(events, 1)]
        (run / "events.jsonl").write_text("".join(lines))
    return run


STARTED = {"type": "run.started", "version": "1.1", "plan": "toy", "steps": ["baseline", "lora"]}


@pytest.mark.parametrize(
    ("status", "code", "left_with"), [("done", 0, 0), ("failed", 5, 5), ("stopped", 143, 143), ("failed", 0, 1)]
)
def test_it_ends_with_the_run(
    status: str, code: int, left_with: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside a run that has ended it ends at once, with the run's exit code, and says how to go on."""
    run = a_run(tmp_path / "run", STARTED, {"type": "run.finished", "status": status, "exit_code": code})
    assert run_command(["join", str(run)]) == left_with
    said = capsys.readouterr().err
    assert f"the run is {status}" in said and ("advisor resume" in said) == (status != "done")


def test_a_run_for_one_machine_is_refused(tmp_path: Path) -> None:
    """Where no step is shared by machines there is nothing to join, and the answers that change that are named."""
    with pytest.raises(AdvisorError, match="no step of run is shared") as raised:
        join(a_run(tmp_path / "run", machines=1), lambda text: None)
    assert raised.value.code is ExitCode.BAD_INPUT and "train: {machines: 2" in raised.value.hint


def test_a_folder_that_holds_no_run_is_refused(tmp_path: Path) -> None:
    """A wrong folder is named as for every other command."""
    with pytest.raises(AdvisorError, match="not a run folder"):
        run_command(["join", str(tmp_path)])


@pytest.mark.parametrize(("events", "why"), [((STARTED,), "no new event"), ((), "it has not begun")])
def test_nobody_is_waited_for_for_ever(events: tuple[dict[str, Any], ...], why: str, tmp_path: Path) -> None:
    """A run that nobody runs is left after a silence, where its lock says nothing here."""
    with pytest.raises(AdvisorError, match="nobody runs the plan") as raised:
        join(a_run(tmp_path / "run", *events), lambda text: None, silent=0.3)
    assert raised.value.code is ExitCode.RUN_FAILED and why in raised.value.why


def test_a_lock_that_is_let_go_says_it_at_once(tmp_path: Path) -> None:
    """Where the lock of the run reaches this machine, its end is seen without waiting for silence."""
    run = a_run(tmp_path / "run", STARTED)
    lock = RunLock.acquire(run)
    threading.Timer(0.5, lock.release).start()
    with pytest.raises(AdvisorError) as raised:
        join(run, lambda text: None, silent=20)
    assert raised.value.why == "nobody holds the lock of the run"
