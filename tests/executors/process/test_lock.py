"""executors/process/lock.py: one holder, named; readers never disturb; gone with the process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from advisor.domain.errors import AdvisorError, ExitCode
from executors.process.lock import RunLock, holder
from tests.toy_runs import ROOT

pytestmark = pytest.mark.process


def test_second_is_refused_naming_the_first(tmp_path: Path) -> None:
    """Who comes second hears exit code 7 and the pid of the holder; after release the next one gets it."""
    first = RunLock.acquire(tmp_path)
    assert holder(tmp_path) == os.getpid()
    with pytest.raises(AdvisorError) as refused:
        RunLock.acquire(tmp_path)
    assert refused.value.code is ExitCode.ALREADY_ACTIVE
    assert str(os.getpid()) in refused.value.why
    first.release()
    assert holder(tmp_path) is None
    RunLock.acquire(tmp_path).release()


def test_readers_do_not_fail_a_starter(tmp_path: Path) -> None:
    """While others keep asking whether the lock is held, a starter still gets it every time."""
    RunLock.acquire(tmp_path).release()
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            holder(tmp_path)

    readers = [threading.Thread(target=ask) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(100):
            RunLock.acquire(tmp_path).release()
    finally:
        done.set()
        for reader in readers:
            reader.join()


def test_handed_on(tmp_path: Path) -> None:
    """A process that inherits the descriptor has the lock without a moment in which nobody had it."""
    lock = RunLock.acquire(tmp_path)
    code = (
        "import sys; from pathlib import Path; from executors.process.lock import RunLock;"
        f"RunLock.acquire(Path({str(tmp_path)!r}), {lock.descriptor}); print('held', flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        pass_fds=(lock.descriptor,),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"held\n"
    lock.release()
    assert holder(tmp_path) == child.pid
    child.kill()
    child.communicate()
    assert holder(tmp_path) is None


def test_folder_that_may_not_be_written() -> None:
    """A folder where no lock can be made is exit code 6."""
    with pytest.raises(AdvisorError) as refused:
        RunLock.acquire(Path("/proc/self"))
    assert refused.value.code in (ExitCode.DISK, ExitCode.BAD_INPUT)
