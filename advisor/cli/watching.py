"""Following a run from a terminal or a script until it ends: panels, plain lines, or JSON lines.

Leaving never stops a run; Ctrl-C does, gently, and once more leaves at once.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from advisor.domain.event import Event
    from advisor.domain.run import RunState


class View(Protocol):
    """Shows a run while it goes on."""

    def __enter__(self) -> View: ...

    def __exit__(self, *exception: object) -> None: ...

    def show(self, event: Event, state: RunState) -> None: ...

    def say(self, text: str) -> None: ...


class _Left(Exception):
    """A signal asked this process, not the run, to end."""

    def __init__(self, number: int) -> None:
        self.number = number


def watch(run_dir: Path, *, as_json: bool = False, quiet_stdout: bool = False, after_seq: int = 0) -> int:
    """Show the run in `run_dir` until it ends; then write its report and print it. Returns the run's exit code.

    Events up to number `after_seq` are known already: they count, and are not shown again.
    130 when Ctrl-C stopped it, 143 or 129 when this process was told to go: the run then goes on.
    """
    from advisor.cli.output import note

    view = choose_view(run_dir, as_json)
    before = {number: signal.signal(number, _leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        with view:
            was_stopped = _follow(run_dir, view, after_seq)
    except _Left as left:
        note(f"the run goes on: advisor resume --attach {run_dir}")
        return 128 + left.number
    except KeyboardInterrupt:
        note(f"\nthe run is being stopped; go on later with: advisor resume {run_dir}")
        return 130
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return _conclude(run_dir, as_json, quiet_stdout, was_stopped)


def choose_view(run_dir: Path, as_json: bool) -> View:
    """JSON lines when asked for, panels in a capable terminal, plain lines otherwise."""
    from advisor.cli.lines import JsonLines, PlainLines

    if as_json:
        return JsonLines()
    if sys.stderr.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb"):
        from advisor.cli.panels import Panels

        return Panels(run_dir)
    return PlainLines()


def _follow(run_dir: Path, view: View, after_seq: int) -> bool:
    """Feed the view until the run ends. True when Ctrl-C stopped it; a second Ctrl-C is raised."""
    from advisor.domain.run import RunState
    from advisor.runs.follow import Follower
    from advisor.runs.stop import request_stop

    state, follower = RunState(), Follower(run_dir)
    was_stopped = False
    while True:
        try:
            for event in follower.events():
                state = state.after(event)
                if event.seq > after_seq:
                    view.show(event, state)
            return was_stopped
        except KeyboardInterrupt:
            if was_stopped:
                raise
            was_stopped = True
            view.say("stopping: saving what is needed to go on (Ctrl-C again: leave now)")
            request_stop(run_dir)


def _conclude(run_dir: Path, as_json: bool, quiet_stdout: bool, was_stopped: bool) -> int:
    from advisor.cli.output import note, write
    from advisor.report.run import render_run
    from advisor.runs.report import write_report

    report = write_report(run_dir)
    text = render_run(report, "text")
    if not as_json and report.status == "done":
        if quiet_stdout:
            note(text)
        else:
            write(text)
    if report.status == "done":
        note(f"report: {run_dir / 'report.md'}")
        return 0
    note(f"{report.status}: {report.reason}")
    for found in report.diagnostics[-1:]:
        if found.severity == "danger":
            note(f"  why: {found.text}" + (f" ({found.because})" if found.because else ""))
            note(f"  try: {found.hint}" if found.hint else f"  see: {run_dir}/steps")
    note(f"go on: advisor resume {run_dir}")
    if was_stopped:
        return 130
    return report.exit_code or 1


def _leave(number: int, frame: FrameType | None) -> None:
    raise _Left(number)
