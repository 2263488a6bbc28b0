"""Kill -9 at random moments: nothing to clean up, nothing lost beyond a save, the same result."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.toy_runs import make_plan, make_run, of_type, processes_of, read_events, start, state_of, supervise, wait_for

pytestmark = pytest.mark.process

ROUNDS = 12
PLAN = make_plan({"steps": 25, "seconds": 0.02}, {"steps": 10, "seconds": 0.02, "loss": 0.5})


@pytest.mark.parametrize("victim", ["supervisor", "worker"])
def test_killed_at_random_moments(tmp_path: Path, victim: str) -> None:
    """However often the supervisor or the worker is killed, resuming needs no flag and the result is the same."""
    unbroken = make_run(tmp_path / "unbroken", PLAN)
    supervise(unbroken)
    rng = random.Random(victim)
    kills = 0
    for number in range(100):
        run = make_run(tmp_path / f"run-{number}", PLAN)
        while kills < ROUNDS and _run_and_kill(run, victim, rng.uniform(0.1, 1.5)):
            kills += 1
            assert_readable(run)
        assert supervise(run) == (0, "")
        assert_readable(run)
        assert [state_of(run, n) for n in (1, 2)] == [state_of(unbroken, n) for n in (1, 2)]
        assert processes_of(run) == []
        assert not list(run.rglob("*.tmp-*"))
        if kills >= ROUNDS:
            return
    raise AssertionError("the runs ended before anything could be killed")


def _run_and_kill(run: Path, victim: str, delay: float) -> bool:
    """Start the run and kill the victim after `delay`. False when the run had ended by then."""
    supervisor = start(run)
    time.sleep(delay)
    try:
        if victim == "supervisor":
            if supervisor.poll() is not None:
                return False
            os.kill(supervisor.pid, signal.SIGKILL)
            return True
        workers = psutil.Process(supervisor.pid).children()
        if not workers:
            return supervisor.poll() is None
        os.kill(workers[0].pid, signal.SIGKILL)
        return True
    except (psutil.NoSuchProcess, ProcessLookupError):
        return supervisor.poll() is None
    finally:
        supervisor.communicate(timeout=30)


def assert_readable(run: Path) -> None:
    """Every whole line is an event, and they are numbered without a gap."""
    if (run / "events.jsonl").exists():
        assert [e["seq"] for e in read_events(run)] == list(range(1, len(read_events(run)) + 1))


def test_resume_right_after_the_kill(tmp_path: Path) -> None:
    """A resume in the same moment waits for the orphaned worker to be gone instead of refusing or writing beside it."""
    run = make_run(tmp_path / "run", make_plan({"steps": 40, "seconds": 0.02}))
    for _ in range(3):
        supervisor = start(run)
        wait_for(lambda: of_type(run, "step.progress"))
        supervisor.kill()
        supervisor.communicate()
    assert supervise(run) == (0, "")


def test_killed_before_the_first_event(tmp_path: Path) -> None:
    """A supervisor killed while it starts leaves a folder that a second start runs without a flag."""
    run = make_run(tmp_path / "run", make_plan({"steps": 2}))
    for delay in (0.0, 0.05, 0.1, 0.15, 0.2, 0.25):
        supervisor = start(run)
        time.sleep(delay)
        supervisor.kill()
        supervisor.communicate()
    assert supervise(run) == (0, "")
