"""What is decided while a training runs."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from executors.training import reporter as module
from executors.training.reporter import Measured, Reporter
from tests.executors.conftest import Listener
from tests.executors.training.together import run_two

STEPS = 6


def decide(folder: Path) -> None:
    """Six steps of one member, whose clock and measurements are its own; leaves what it decided."""
    rank = int(os.environ["RANK"])
    for impatient in (0, 1):
        module.SAVE_SECONDS = 0.0 if rank == impatient else 1e9
        costs = iter([3.0, 1.0, 2.0, 2.0, 9.0, 9.0, 9.0] if rank == 0 else [3.0, 2.0, 1.0, 0.5, 0.4, 0.3, 0.2])
        reporter = Reporter(Listener(), [1] * STEPS, lambda costs=costs: [Measured("x", next(costs))], 0, 1, patience=4)
        saved, ended = [], []
        reporter.on_train_begin(None, SimpleNamespace(global_step=0, max_steps=STEPS), None)
        for step in range(1, STEPS + 1):
            state, control = SimpleNamespace(global_step=step, max_steps=STEPS), SimpleNamespace()
            control.should_training_stop = False
            reporter.on_step_begin(None, state, control)
            time.sleep(0.01)
            reporter.on_step_end(None, state, control)
            saved.append(control.should_save)
            ended.append(control.should_training_stop)
        found = {"saved": saved, "ended": ended, "best": reporter.best_step, "history": reporter.history}
        (folder / f"{impatient}.{rank}.json").write_text(json.dumps(found))


def test_a_group_decides_together(tmp_path: Path) -> None:
    """The first process's clock says for all when to save, and its measurements when to end and which step is best."""
    run_two(decide, tmp_path)
    for impatient, saved in ((0, [True] * STEPS), (1, [False] * 4 + [True] * 2)):
        first, second = (json.loads((tmp_path / f"{impatient}.{rank}.json").read_text()) for rank in range(2))
        assert first == second
        assert first["saved"] == saved
        assert first["ended"] == [False] * 4 + [True] * 2
        assert first["best"] == 1


@pytest.mark.parametrize(("interval", "wanted"), [(0.0, [True, True]), (1e9, [False, True])])
def test_alone_the_clock_or_the_last_step_saves(
    interval: float, wanted: list[bool], listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a group a checkpoint is made when the time has come, and always after the last step."""
    monkeypatch.setattr(module, "SAVE_SECONDS", interval)
    reporter = Reporter(listener, [1, 1], lambda: [Measured("x", 1.0)], 0, 0)
    saved = []
    for step in (1, 2):
        control = SimpleNamespace(should_training_stop=False)
        reporter.on_step_end(None, SimpleNamespace(global_step=step, max_steps=2), control)
        saved.append(control.should_save)
    assert saved == wanted
