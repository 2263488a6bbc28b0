"""`AdvisorApp`: screens, signals, and the follower of the run that is shown."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
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
POLL_SECONDS = 0.1
"""How often the event file is looked at; a person sees no difference below it."""
IDLE_SECONDS = 2.0
"""The same for a run that has ended; it may be resumed from elsewhere."""


class RunChanged(Message):
    """The run that is followed has a new state. A newer one replaces it in the queue."""

    def __init__(self, folder: Path, plan: Plan, state: RunState) -> None:
        self.folder, self.plan, self.state = folder, plan, state
        super().__init__()

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, RunChanged)


class AdvisorApp(App[int]):
    """The technique advisor in a terminal."""

    TITLE = "Technique Advisor"
    CSS_PATH = "app.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]
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

    def on_mount(self) -> None:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._leave_on, number)
        self.push_screen(HomeScreen())

    def _leave_on(self, number: signal.Signals) -> None:
        """A signal ends the app as `q` does, with the shell's exit code; a run goes on by itself."""
        self.exit(return_code=128 + number)

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
