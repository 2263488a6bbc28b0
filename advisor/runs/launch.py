"""Starts a run: makes its folder, hands it to a detached supervisor, and hears whether it has begun.

The launcher holds the run's lock from the first file it writes and passes it on to the supervisor, so that of any
number of simultaneous starters exactly one gets the folder.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from advisor.domain.answers import Answers
from advisor.domain.errors import AdvisorError, ExitCode
from advisor.domain.recommendation import Recommendation
from advisor.runs.places import ANSWERS, PLAN, RECOMMENDATION, make_run_folder, remember
from advisor.runs.prepare import Prepared, RunLock

LOG = "supervisor.log"


def launch(
    prepared: Prepared,
    run_dir: Path | None = None,
    answers: Answers | None = None,
    recommendation: Recommendation | None = None,
) -> Path:
    """Start a new run and return its folder; the run goes on without this process.

    Raises AdvisorError: 7 when somebody runs there, 2 when the folder holds another run, 6 when it cannot be written.
    """
    folder = make_run_folder(prepared.plan.name, run_dir)
    lock = RunLock.acquire(folder)
    try:
        if (folder / PLAN).exists():
            raise AdvisorError(f"{folder} holds a run already", hint=f"advisor resume {folder}, or another --run-dir")
        _write_files(folder, prepared, answers, recommendation)
        remember(folder)
        start_supervisor(folder, lock, package=prepared.package)
    finally:
        lock.release()
    return folder


def start_supervisor(run_dir: Path, lock: RunLock, *, force: bool = False, package: str | None = None) -> int:
    """Start the supervisor of a run folder, detached, on the lock held here. Returns its pid once the run has begun.

    Raises AdvisorError with the supervisor's own message and code when it refuses.
    """
    answer, telling = os.pipe()
    command = [sys.executable, "-P", "-m", "executors.supervisor", str(run_dir)]
    command += ["--lock-fd", str(lock.descriptor), "--ready-fd", str(telling)]
    command += [*(["--force"] if force else []), *(["--executors", package] if package else [])]
    try:
        with (run_dir / LOG).open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=run_dir,
                start_new_session=True,
                pass_fds=(telling, lock.descriptor),
            )
    finally:
        os.close(telling)
    # Whoever stays, like the app, must not keep a zombie of every run it started.
    threading.Thread(target=process.wait, name="reaper", daemon=True).start()
    return _hear(answer, process.pid, run_dir)


def _hear(answer: int, pid: int, run_dir: Path) -> int:
    try:
        with os.fdopen(answer, "rb") as stream:
            message = json.loads(stream.readline() or b"{}")
    except KeyboardInterrupt:
        os.kill(pid, signal.SIGTERM)
        raise
    if "ready" in message:
        return int(message["ready"])
    if "what" in message:
        code = ExitCode(message["code"])
        raise AdvisorError(message["what"], why=message["why"], hint=message["hint"], code=code)
    raise AdvisorError(
        "the supervisor ended before the run began", hint=f"{run_dir / LOG} has its words", code=ExitCode.RUN_FAILED
    )


def _write_files(
    folder: Path, prepared: Prepared, answers: Answers | None, recommendation: Recommendation | None
) -> None:
    """The plan last: a folder is a run from the moment it has one."""
    from advisor.files import dump_yaml
    from advisor.files.writing import write_whole

    if answers is not None:
        write_whole(dump_yaml(answers), str(folder / ANSWERS))
    if recommendation is not None:
        text = recommendation.model_dump_json(by_alias=True, indent=2) + "\n"
        write_whole(text, str(folder / RECOMMENDATION))
    write_whole(dump_yaml(prepared.plan), str(folder / PLAN))
