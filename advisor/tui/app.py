"""`AdvisorApp`: screens, signals, and the follower of the run that is shown."""

from __future__ import annotations

import asyncio
import functools
import gc
import os
import signal
from pathlib import Path
from types import FrameType
from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.message import Message

from advisor.domain.errors import AdvisorError
from advisor.domain.plan import Plan
from advisor.domain.profiles import HardwareProfile
from advisor.domain.run import RunState
from advisor.runs.advise import Overrides
from advisor.tui.screens.help import HelpScreen
from advisor.tui.screens.home import HomeScreen

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
POLL_SECONDS = 0.25
"""How often the event file is looked at; a person sees no difference below it."""
PATIENCE_SECONDS = 2.0
"""How long the app may take to leave in order after a signal."""
IDLE_SECONDS = 2.0
"""The same for a run that has ended; it may be resumed from elsewhere."""


class RunChanged(Message):
    """The run that is followed has a new state. A newer one replaces it in the queue."""

    def __init__(self, folder: Path, plan: Plan, state: RunState) -> None:
        self.folder, self.plan, self.state = folder, plan, state
        super().__init__()

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, RunChanged)


OFTEN = (5_000, 10, 10)
"""New objects before a look for garbage among them, and how many looks before one among older objects."""


class AdvisorApp(App[int]):
    """The technique advisor in a terminal."""

    TITLE = "Technique Advisor"
    CSS_PATH = "app.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (34, "-tall")]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("ctrl+q", "quit", "Quit"),
    ]

    def __init__(self, hardware: HardwareProfile, overrides: Overrides, profile: str) -> None:
        super().__init__()
        self.hardware, self.overrides, self.profile = hardware, overrides, profile
        self.parting_words = ""
        """Told on the ordinary screen once the app has gone."""
        self._follower: asyncio.Task[None] | None = None
        self._code_of_signal = 0

    def on_mount(self) -> None:
        self._loop_of_app = asyncio.get_running_loop()
        for number in SIGNALS:
            # Not the loop's own handlers: a flood of keys fills the pipe through which they hear of a signal.
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGALRM, self._leave_at_once)
        self.push_screen(HomeScreen())
        self.call_after_refresh(_settle)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        """A signal ends the app as `q` does, with the shell's exit code; a run goes on by itself."""
        self._code_of_signal = 128 + number
        if self._loop_of_app.is_closed():
            raise SystemExit(self._code_of_signal)
        self._loop_of_app.call_soon_threadsafe(functools.partial(self.exit, return_code=self._code_of_signal))
        signal.setitimer(signal.ITIMER_REAL, PATIENCE_SECONDS)

    def _leave_at_once(self, _number: int, _frame: FrameType | None) -> None:
        """Thousands of keys may stand before the end in the queue (a paste that was taken for keys). Nothing is lost:
        what is executed runs in processes of its own."""
        if self._driver is not None:
            self._driver.stop_application_mode()
            self._driver.close()
        os._exit(self._code_of_signal)

    def action_help(self) -> None:
        self.push_screen(HelpScreen(self.screen))

    def follow_run(self, folder: Path) -> None:
        """Follow the run in `folder` instead of any other; `RunChanged` goes to the screen that is shown."""
        if self._follower is not None:
            self._follower.cancel()
        self._follower = asyncio.create_task(self._follow(folder))

    async def _follow(self, folder: Path) -> None:
        from advisor.tui.following import Reader

        reader = Reader(folder)
        shown: RunState | None = None
        while True:
            try:
                state = await asyncio.to_thread(reader.advance)
            except AdvisorError as error:
                self.notify(error.message(), severity="error", markup=False)
                return
            if state != shown and reader.plan is not None:
                shown = state
                self.screen.post_message(RunChanged(folder, reader.plan, state))
            await asyncio.sleep(POLL_SECONDS if state.status in ("pending", "running") else IDLE_SECONDS)


def _settle() -> None:
    """What start-up made lives to the end: looked through for garbage again and again, it would hold keys up. What
    comes after is looked through often and therefore quickly."""
    gc.freeze()
    gc.set_threshold(*OFTEN)
