"""Tests of the run screen: it follows a run that real processes do."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from textual.widgets import Static

from advisor.domain.run import RunState, StepState
from advisor.runs.launch import launch
from advisor.runs.prepare import prepare
from advisor.runs.state import load_state
from advisor.tui.app import AdvisorApp, RunChanged
from advisor.tui.screens.run import RunScreen
from tests.toy_runs import ROOT, TOYS, make_plan


async def test_what_ended_under_another_screen_is_shown(
    app: AdvisorApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that ends while the help covers its screen is shown as done when the help is closed."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    folder = tmp_path / "run"
    launch(prepare(make_plan({"steps": 20, "seconds": 0.05}), folder, package=TOYS), folder)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = RunScreen(folder)
        app.push_screen(screen)
        await shows(screen, "running,")
        await pilot.press("?")
        while load_state(folder).status == "running":
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.3)
        await pilot.press("escape")
        await shows(screen, "done,")


def test_figures_wait_and_charts_longer_and_steps_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often figures come they are drawn every two seconds, charts every ten; a step that begins at once."""
    drawn: list[RunState] = []
    charts: list[RunState] = []
    clock = [100.0]
    monkeypatch.setattr(RunScreen, "_draw", lambda self, plan, state: drawn.append(state))
    monkeypatch.setattr(RunScreen, "_draw_charts", lambda self, plan, state: charts.append(state))
    monkeypatch.setattr("advisor.tui.screens.run.time.monotonic", lambda: clock[0])
    plan, screen = make_plan({"steps": 2}), RunScreen(tmp_path)

    def looks(seconds: float, status: str, done: float) -> int:
        clock[0] += seconds
        state = RunState(status="running", steps=(StepState(number=1, status=status, done=done),))
        screen.on_run_changed(RunChanged(tmp_path, plan, state))
        screen._draw_if_due()
        return len(drawn)

    assert looks(0, "pending", 0) == 1
    assert [looks(0.2, "running", done) for done in range(5)] == [2] * 5
    assert looks(1.3, "running", 5) == 3 and drawn[-1].steps[0].done == 5
    assert len(charts) == 2
    assert looks(0.2, "done", 6) == 4 and len(charts) == 3
    assert looks(9.9, "done", 6) == 5 and len(charts) == 3
    assert looks(2.1, "done", 6) == 6 and len(charts) == 4


async def shows(screen: RunScreen, words: str) -> None:
    """Wait until the strip says so."""
    async with asyncio.timeout(20):
        while not screen.is_mounted or words not in str(screen.query_one("#strip", Static).render()):
            await asyncio.sleep(0.05)
