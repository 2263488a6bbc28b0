"""Runs a plan: `python -m executors.supervisor RUN_DIR [--force]`.

Alone writes `events.jsonl` and `run.json`, holds the run's lock, and starts one worker process per step and evaluation.
Detached from any terminal; told to stop by SIGTERM. Loads no heavy library.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
import traceback
from pathlib import Path

from advisor.domain.errors import AdvisorError, ExitCode
from advisor.domain.event import EVENT_VERSION
from advisor.domain.plan import Plan
from advisor.domain.run_record import Run
from executors.artifact import sweep
from executors.process.chain import Chain, End
from executors.process.decisions import read_decisions
from executors.process.journal import FILE as EVENTS
from executors.process.journal import Journal
from executors.process.layout import Layout
from executors.process.lock import RunLock
from executors.process.plan_file import read_plan
from executors.process.record import changes, make_record, read_record, write_record
from executors.process.request import PACKAGE
from executors.process.stop import StopSignal
from executors.process.trouble import classify


def main(argv: list[str] | None = None) -> int:
    """Run the folder named in `argv`. Returns the documented exit code."""
    args = _arguments(argv)
    stop = StopSignal()
    stop.listen()
    launcher = Launcher(args.ready_fd)
    try:
        return supervise(args.run_dir.resolve(), stop, args.force, args.lock_fd, launcher, args.executors)
    except (AdvisorError, OSError) as error:
        trouble = classify(error)
        refused = AdvisorError(trouble.text, why=trouble.because, hint=trouble.hint, code=ExitCode(trouble.exit_code))
        launcher.hear(what=refused.what, why=refused.why, hint=refused.hint, code=int(refused.code))
        sys.stderr.write(refused.message() + "\n")
        return int(refused.code)


class Launcher:
    """Whoever started this process and waits to hear, once, that the run has begun or why it has not."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def hear(self, **message: object) -> None:
        """Say it; a launcher that is gone is no trouble."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.write(descriptor, json.dumps(message).encode() + b"\n")
            os.close(descriptor)


def supervise(
    run_dir: Path, stop: StopSignal, force: bool, lock_fd: int | None, launcher: Launcher, package: str
) -> int:
    """Take the lock, check that nothing changed, run the chain, record the end.

    Raises AdvisorError when the run is active (7), changed (8) or unreadable (2), OSError when it cannot be written.
    """
    lock = RunLock.acquire(run_dir, lock_fd)
    try:
        plan = read_plan(run_dir)
        before = read_record(run_dir)
        record = make_record(run_dir, plan, before, time.time(), package)
        changed = changes(before, record) if before is not None else []
        if changed and not force:
            raise AdvisorError(
                f"{run_dir}: something changed since the run was started",
                why="; ".join(changed),
                hint="put it back, or go on all the same with --force",
                code=ExitCode.REFUSED,
            )
        for folder in (run_dir, *run_dir.glob("steps/*/")):
            sweep(folder)
        write_record(run_dir, record)
        journal = Journal(run_dir / EVENTS)
        try:
            _announce(journal, plan, before, changed)
            launcher.hear(ready=os.getpid())
            end = _run(
                Chain(Layout(run_dir, plan, record, package), journal, stop, lock, read_decisions(run_dir)), journal
            )
        finally:
            journal.close()
        return end.exit_code
    finally:
        lock.release()


def _announce(journal: Journal, plan: Plan, before: Run | None, changed: list[str]) -> None:
    names = ["baseline", *(step.technique for step in plan.steps)]
    started = {"version": EVENT_VERSION, "plan": plan.name, "resumed": before is not None, "steps": names}
    journal.append({"type": "run.started", **started}, is_durable=True)
    for line in changed:
        said = {"severity": "warning", "code": "changed-since-start", "text": f"continued although changed: {line}"}
        journal.append({"type": "diagnostic.raised", **said})


def _run(chain: Chain, journal: Journal) -> End:
    """Run the chain and record how it ended, on a full disk too."""
    began = time.monotonic()
    try:
        end = chain.run()
    except Exception as error:
        traceback.print_exc()
        trouble = classify(error)
        end = End("failed", trouble.exit_code, trouble.text)
        journal.free_reserve()
        said = {"code": trouble.code, "text": trouble.text, "because": trouble.because, "hint": trouble.hint}
        with contextlib.suppress(OSError):
            journal.append({"type": "diagnostic.raised", "severity": "danger", **said})
    fields = {"status": end.status, "exit_code": end.exit_code, "reason": end.reason}
    with contextlib.suppress(OSError):
        # On a disk so full that not even this fits, the run reads as interrupted, which is true.
        journal.append(
            {"type": "run.finished", **fields, "seconds": round(time.monotonic() - began, 3)}, is_durable=True
        )
    return end


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m executors.supervisor", description="Run a run folder's plan.")
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR")
    parser.add_argument("--force", action="store_true", help="go on although something changed since the start")
    parser.add_argument("--lock-fd", type=int, help="a descriptor of RUN_DIR/lock on which the lock is already held")
    parser.add_argument("--ready-fd", type=int, help="where to say, as JSON, that the run has begun or why not")
    parser.add_argument("--executors", default=PACKAGE, metavar="PACKAGE", help="where executors are looked up")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
