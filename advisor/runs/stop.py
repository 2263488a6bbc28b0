"""Stops a run so that it can be resumed: its worker saves what it needs, and no process is left."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from advisor.domain.errors import AdvisorError, ExitCode
from advisor.runs.prepare import holder

PATIENCE = 15.0
"""Seconds. The supervisor promises five."""


def request_stop(run_dir: Path) -> bool:
    """Tell the supervisor to stop, without waiting. False when nobody runs there."""
    pid = holder(run_dir)
    if pid is None:
        return False
    if pid and _is_supervisor(pid):
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            return False
        except PermissionError:
            raise AdvisorError(f"process {pid} belongs to somebody else", why="it runs the run") from None
    return True


def stop(run_dir: Path, patience: float = PATIENCE) -> bool:
    """Stop the run and wait until no process of it is left. False when it was not active.

    Raises AdvisorError when it does not end.
    """
    began = asked = time.monotonic()
    pid = holder(run_dir)
    if not request_stop(run_dir):
        return False
    while holder(run_dir) is not None or (pid and _is_supervisor(pid)):
        now = time.monotonic()
        if now - began > patience:
            raise AdvisorError(f"{run_dir}: process {pid} does not end", hint="kill it", code=ExitCode.ALREADY_ACTIVE)
        if now - asked > 0.5:
            # The lock may have been held by a launcher that had not yet handed it on.
            asked, pid = now, holder(run_dir) or pid
            request_stop(run_dir)
        time.sleep(0.02)
    return True


def _is_supervisor(pid: int) -> bool:
    """Never signal a process only because a file names its number."""
    import psutil

    try:
        return "executors.supervisor" in psutil.Process(pid).cmdline()
    except psutil.Error:
        return False
