"""Goes on with a run after any stop: finished steps that verify are skipped, the rest starts from the last save."""

from __future__ import annotations

from pathlib import Path

from advisor.domain.errors import AdvisorError
from advisor.runs.launch import start_supervisor
from advisor.runs.places import PLAN
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


def require_run(run_dir: Path) -> Path:
    """The absolute folder. Raises AdvisorError when it is none, or holds no run."""
    if not run_dir.is_dir():
        raise AdvisorError(f"{run_dir}: no such folder", hint="advisor runs lists the runs")
    if not (run_dir / PLAN).is_file():
        raise AdvisorError(f"{run_dir}: not a run folder", why=f"it has no {PLAN}", hint="advisor runs lists the runs")
    return run_dir.resolve()
