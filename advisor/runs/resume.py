"""Goes on with a run after any stop: finished steps that verify are skipped, the rest starts from the last save."""

from __future__ import annotations

from pathlib import Path

from advisor.runs.find import require_run
from advisor.runs.launch import start_supervisor
from advisor.runs.prepare import RunLock


def resume(run_dir: Path, *, force: bool = False, package: str | None = None) -> Path:
    """Start the run again, detached; returns its absolute folder.

    Raises AdvisorError: 7 when it is active, 8 when plan, answers, data, code or versions changed and `force` is
    not given, 2 when it is not a run folder.
    """
    folder = require_run(run_dir)
    lock = RunLock.acquire(folder)
    try:
        start_supervisor(folder, lock, force=force, package=package)
    finally:
        lock.release()
    return folder
