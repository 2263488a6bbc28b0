"""Start the app on a real terminal, and give the terminal back as it was, whatever ends it.

Textual draws on stderr. Libraries and children write to descriptors 1 and 2; those are pointed at a log file while
the app runs, so that nothing they print can land on the screen.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from advisor.domain.answers import Answers
from advisor.domain.words import Goal
from advisor.runs.advise import Overrides, hardware_of


def start(overrides: Overrides, profile: str) -> int:
    """Run the app until it is left. Returns its exit code (128 + signal when one ended it)."""
    from advisor.tui.app import AdvisorApp

    # Hardware does not depend on what will be asked; any goal will do to look at it.
    hardware = hardware_of(Answers(goal=Goal.OPTIMIZE), overrides)
    app = AdvisorApp(hardware, overrides, profile)
    log = Path(tempfile.gettempdir()) / f"advisor-app-{os.getuid()}.log"
    terminal, kept_out = os.dup(2), os.dup(1)
    sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    screen = os.fdopen(os.dup(terminal), "w", encoding="utf-8", errors="replace")
    before = sys.__stdout__, sys.__stderr__
    try:
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        # It draws on the one, and asks the other how large the terminal is.
        sys.__stdout__ = sys.__stderr__ = screen  # type: ignore[misc]
        app.run()
    finally:
        sys.__stdout__, sys.__stderr__ = before  # type: ignore[misc]
        screen.close()
        os.dup2(kept_out, 1)
        os.dup2(terminal, 2)
        for descriptor in (sink, terminal, kept_out):
            os.close(descriptor)
    if app.parting_words:
        sys.stderr.write(app.parting_words + "\n")
    return app.return_code or 0
