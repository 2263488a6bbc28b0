"""The run's lock: `flock` on `RUN/lock`, held by the supervisor and by the worker it started.

The kernel releases it when they are gone, so after `kill -9` there is nothing to clean up. The file holds the pid of
the supervisor, only to be named in a message.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from advisor.domain.errors import AdvisorError, ExitCode

FILE = "lock"
_PATIENCE = 0.1
"""Seconds. Readers hold the lock for microseconds to see whether it is free; that must not fail a starter."""
_ORPHAN_PATIENCE = 10.0
"""Seconds given to the worker of a killed supervisor to be gone."""


class RunLock:
    """The right to run in a folder. It lasts until `release` or the end of every process that inherited it."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def acquire(cls, run_dir: Path, inherited: int | None = None) -> RunLock:
        """Take the lock of `run_dir`, or adopt the descriptor of a launcher that holds it.

        Raises AdvisorError with exit code 7 when another process has it, 6 when the folder may not be written.
        """
        if inherited is not None:
            os.set_inheritable(inherited, False)
            lock = cls(inherited)
        else:
            lock = cls(_open(run_dir))
        try:
            _lock_patiently(lock.descriptor, run_dir)
            lock.sign()
        except BaseException:
            os.close(lock.descriptor)
            raise
        return lock

    def sign(self) -> None:
        """Write this process's pid into the file."""
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Close this process's copy; the lock is free once every holder did."""
        os.close(self.descriptor)


def holder(run_dir: Path) -> int | None:
    """The pid that runs in the folder (0 when it has not said so), or None when nobody does."""
    try:
        descriptor = os.open(run_dir / FILE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    except BlockingIOError:
        return _signed_by(descriptor)
    finally:
        os.close(descriptor)


def _open(run_dir: Path) -> int:
    try:
        return os.open(run_dir / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except FileNotFoundError:
        raise AdvisorError(f"{run_dir}: no such folder", hint="advisor runs lists the runs") from None
    except OSError as error:
        raise AdvisorError(
            f"{run_dir} may not be written",
            why=error.strerror or "",
            hint="choose another --run-dir",
            code=ExitCode.DISK,
        ) from None


def _lock_patiently(descriptor: int, run_dir: Path) -> None:
    started = time.monotonic()
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            pid = _signed_by(descriptor)
            patience = _ORPHAN_PATIENCE if pid and not _is_alive(pid) else _PATIENCE
            if time.monotonic() - started > patience:
                raise AdvisorError(
                    f"{run_dir}: the run is already active",
                    why=f"process {pid or 'unknown'} runs it",
                    hint=f"advisor stop {run_dir}",
                    code=ExitCode.ALREADY_ACTIVE,
                ) from None
        time.sleep(0.01)


def _signed_by(descriptor: int) -> int:
    text = os.pread(descriptor, 32, 0).split()
    return int(text[0]) if text and text[0].isdigit() else 0


def _is_alive(pid: int) -> bool:
    import psutil

    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
