"""advisor/runs: launch, resume, stop, list: from a plan to a finished run, whoever dies in between."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from advisor.domain.errors import AdvisorError, ExitCode
from advisor.domain.plan import Plan
from advisor.runs.catalogue import list_runs
from advisor.runs.follow import follow
from advisor.runs.launch import launch
from advisor.runs.places import runs_root
from advisor.runs.prepare import holder, prepare
from advisor.runs.resume import resume
from advisor.runs.state import load_state
from advisor.runs.stop import stop
from tests.toy_runs import TOYS, make_plan, processes_of, read_events, state_of, wait_for, worker_pid

pytestmark = pytest.mark.process


def begin(plan: Plan, folder: Path | None = None) -> Path:
    return launch(prepare(plan, folder or runs_root(), package=TOYS), folder)


def finish(run: Path) -> str:
    for _ in follow(run, poll=0.02):
        pass
    return load_state(run).status


def test_launch_to_the_end(private_home: Path) -> None:
    """A launched run lies below the user's data, named by time and plan, and ends done."""
    run = begin(make_plan({"steps": 2}, name="My plan!"))
    assert run.parent == private_home / "technique-advisor" / "runs"
    assert run.name.endswith("-my-plan")
    assert finish(run) == "done"
    assert [r.folder for r in list_runs()] == [str(run)]


def test_launch_returns_while_it_runs(tmp_path: Path) -> None:
    """Launching returns once the run has begun; stopping leaves no process; resuming goes on."""
    run = begin(make_plan({"steps": 40, "seconds": 0.05}), tmp_path / "run")
    assert load_state(run).status == "running"
    assert [r.status for r in list_runs()] == ["running"]
    worker_pid(run)
    assert stop(run)
    assert processes_of(run) == []
    assert load_state(run).status == "stopped"
    assert not stop(run)
    resume(run, package=TOYS)
    assert finish(run) == "done"


def test_one_of_twenty_gets_the_folder(tmp_path: Path) -> None:
    """Of twenty simultaneous launches into one folder one starts; the others hear code 7, naming a process."""
    plan = make_plan({"steps": 20, "seconds": 0.3})

    def attempt(_: int) -> AdvisorError | None:
        try:
            begin(plan, tmp_path / "run")
        except AdvisorError as error:
            return error
        return None

    with ThreadPoolExecutor(20) as pool:
        errors = list(pool.map(attempt, range(20)))
    assert errors.count(None) == 1
    refused = [error for error in errors if error is not None]
    assert {error.code for error in refused} == {ExitCode.ALREADY_ACTIVE}
    assert stop(tmp_path / "run")


def test_folder_with_a_run_is_refused(tmp_path: Path) -> None:
    """A folder that holds a run is not overwritten; the message says how to go on."""
    run = begin(make_plan({"steps": 1}), tmp_path / "run")
    finish(run)
    before = read_events(run)
    with pytest.raises(AdvisorError, match="holds a run already") as refused:
        begin(make_plan({"steps": 3}), run)
    assert "advisor resume" in refused.value.hint
    assert read_events(run) == before


def test_supervisor_refusal_reaches_the_starter(tmp_path: Path) -> None:
    """What the supervisor refuses is raised here with its own words and code, and the lock is free again."""
    run = begin(make_plan({"steps": 1}), tmp_path / "run")
    finish(run)
    text = (run / "plan.yaml").read_text()
    (run / "plan.yaml").write_text(text.replace("seed: 0", "seed: 1"))
    with pytest.raises(AdvisorError) as refused:
        resume(run, package=TOYS)
    assert refused.value.code is ExitCode.REFUSED
    assert "seed: 0 -> 1" in refused.value.why
    wait_for(lambda: holder(run) is None)
    resume(run, force=True, package=TOYS)
    assert finish(run) == "done"


def test_follower_killed_at_random_moments(tmp_path: Path) -> None:
    """Whoever watches may be killed at any moment, over and over: the run does not notice, the result is the same."""
    plan = make_plan({"steps": 60, "seconds": 0.05})
    run = begin(plan, tmp_path / "run")
    code = f"from pathlib import Path; from advisor.runs.follow import follow; list(follow(Path({str(run)!r}), 0.01))"
    rng = random.Random(0)
    for _ in range(8):
        watcher = subprocess.Popen([sys.executable, "-c", code])
        time.sleep(rng.uniform(0.05, 0.4))
        watcher.kill()
        watcher.wait()
    assert finish(run) == "done"
    other = begin(plan, tmp_path / "other")
    finish(other)
    assert state_of(run) == state_of(other)


def test_launcher_killed(tmp_path: Path) -> None:
    """A run goes on when the process that launched it is killed."""
    code = (
        "import os, signal; from pathlib import Path; from advisor.runs.launch import launch;"
        "from advisor.runs.prepare import prepare; from tests.toy_runs import TOYS, make_plan;"
        f"run = Path({str(tmp_path / 'run')!r});"
        "launch(prepare(make_plan({'steps': 10, 'seconds': 0.05}), run, package=TOYS), run);"
        "os.killpg(0, signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code], start_new_session=True, check=False)
    assert finish(tmp_path / "run") == "done"


def test_list_leaves_out_what_is_gone(tmp_path: Path) -> None:
    """A run whose folder was deleted is not listed, and one that lies elsewhere is."""
    import shutil

    run = begin(make_plan({"steps": 1}), tmp_path / "elsewhere")
    finish(run)
    assert [(r.folder, r.status, r.steps) for r in list_runs()] == [(str(run), "done", ("lora",))]
    shutil.rmtree(run)
    assert list_runs() == []


def test_no_run_folder(tmp_path: Path) -> None:
    """Resuming what is no run says so."""
    for place in (tmp_path, tmp_path / "missing"):
        with pytest.raises(AdvisorError, match=r"not a run folder|no such folder"):
            resume(place)


def test_place_that_cannot_be_written() -> None:
    """A run folder that cannot be made is exit code 6 and says what to do."""
    with pytest.raises(AdvisorError) as refused:
        begin(make_plan({}), Path("/proc/nowhere/run"))
    assert refused.value.code is ExitCode.DISK
    assert "--run-dir" in refused.value.hint


def test_interrupted_run_is_listed(tmp_path: Path) -> None:
    """A run whose supervisor was killed is listed as interrupted."""
    import os
    import signal

    run = begin(make_plan({"steps": 40, "seconds": 0.05}), tmp_path / "run")
    pid = holder(run)
    assert pid
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: holder(run) is None)
    assert [r.status for r in list_runs()] == ["interrupted"]
