"""`advisor join`: take part from another machine in a training that several machines share."""

from __future__ import annotations

import argparse
import signal
from types import FrameType
from typing import NoReturn

from advisor.cli.arguments import add_run

SUMMARY = (
    "take part, from another machine, in the steps of a run that several machines share (train.machines); the run's "
    "folder must lie here at the same path. Ends when the run does, with its exit code"
)


def configure(parser: argparse.ArgumentParser) -> None:
    add_run(parser)


def run(args: argparse.Namespace) -> int:
    from advisor.cli.output import note
    from advisor.runs.find import require_run
    from advisor.runs.join import join

    folder = require_run(args.run_dir)
    before = {number: signal.signal(number, _leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        state = join(folder, lambda text: note(text))
    except KeyboardInterrupt:
        note(f"\nleft; join again with: advisor join {folder}")
        note(f"a training that had begun goes on from its last checkpoint after: advisor resume {folder}")
        return 130
    except _Told as told:
        return 128 + told.number
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    note(f"the run is {state.status}" + (f": {state.reason}" if state.reason else ""))
    if state.status == "done":
        return 0
    note(f"go on: advisor resume {folder} on the first machine, then here: advisor join {folder}")
    return state.exit_code or 1


class _Told(BaseException):
    """A signal told this process to end."""

    def __init__(self, number: int) -> None:
        self.number = number


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    raise _Told(number)
