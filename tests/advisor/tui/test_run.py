"""Tests of the run screen: it follows a run that real processes do."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from textual.widgets import Static

from advisor.runs.launch import launch
from advisor.runs.prepare import prepare
from advisor.runs.state import load_state
from advisor.tui.app import AdvisorApp
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


async def shows(screen: RunScreen, words: str) -> None:
    """Wait until the strip says so."""
    async with asyncio.timeout(20):
        while not screen.is_mounted or words not in str(screen.query_one("#strip", Static).render()):
            await asyncio.sleep(0.05)
