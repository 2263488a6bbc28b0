"""The chat screen: a question typed, an answer read, at 80x24."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from textual.widgets import Static

from advisor.tui.app import AdvisorApp
from advisor.tui.screens.chat import ChatScreen
from executors.constrain import Constraint
from executors.prompt.file import PromptFile
from tests.chat_runs import make_chat_run


async def test_a_question_is_answered(
    app: AdvisorApp, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last step is loaded; Enter asks; the answer stands below the question; ctrl+t takes the baseline; escape
    leaves, and the process ends."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    prompt = PromptFile(constraint=Constraint(choices=("Paris [bold]x[/bold]",)), max_tokens=40)
    folder = make_chat_run(tmp_path / "run", tiny_model, prompt)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = ChatScreen(folder)
        app.push_screen(screen)
        await tells(screen, "Ready.")
        assert "1 system-prompt (model + prompt" in text(screen, "#subject")
        await pilot.press(*"Where?", "enter")
        await tells(screen, " tokens in ")
        shown = [str(line.render()) for line in screen.query("#talk Static").results(Static)]
        assert shown == ["You: Where?", "Paris [bold]x[/bold]"]
        process = screen._chat._answerer._process if screen._chat is not None else None
        await pilot.press("ctrl+t")
        await tells(screen, "Ready.")
        assert "baseline" in text(screen, "#subject")
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen is not screen
        assert process is not None and process.wait(10) is not None


def text(screen: ChatScreen, place: str) -> str:
    return str(screen.query_one(place, Static).render())


async def tells(screen: ChatScreen, words: str) -> None:
    """Wait until the line below the conversation says so."""
    async with asyncio.timeout(60):
        while not screen.is_mounted or words not in text(screen, "#told"):
            await asyncio.sleep(0.05)
