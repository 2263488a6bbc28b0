"""executors/worker.py: every way a worker can end, and what the run then says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.toy_runs import (
    ROOT,
    make_plan,
    make_run,
    of_type,
    processes_of,
    read_events,
    start,
    state_of,
    supervise,
    wait_for,
    worker_pid,
)

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What six steps leave that nothing interrupted."""
    run = make_run(tmp_path_factory.mktemp("unbroken"), make_plan({"steps": 6}))
    supervise(run)
    return state_of(run)


@pytest.mark.parametrize(
    ("end", "code", "diagnostic", "words"),
    [
        ("memory", 5, "out-of-memory", "out of memory"),
        ("allocator", 5, "out-of-memory", "out of memory"),
        ("disk", 6, "disk-full", "the disk is full"),
        ("wrapped-disk", 6, "disk-full", "the disk is full"),
        ("read-only", 6, "not-writable", "may not be written"),
        ("bad-data", 2, "bad-input", "rows.jsonl:3: not JSON"),
        ("bug", 1, "worker-failed", "ZeroDivisionError: a bug"),
        ("exit", 1, "worker-lost", "ended without a word (exit code 9)"),
        ("kill", 1, "worker-killed", "killed by signal 9"),
        ("crash", 1, "worker-crashed", "SIGSEGV"),
    ],
)
def test_bad_end(tmp_path: Path, unbroken: str, end: str, code: int, diagnostic: str, words: str) -> None:
    """Each bad end is one sentence and its documented exit code; the traceback stays in the log; resuming works."""
    once = str(tmp_path / "once")
    run = make_run(tmp_path / "run", make_plan({"steps": 6, "end": end, "once": once}))
    got, said = supervise(run)
    assert got == code
    assert said == ""
    raised = [e for e in of_type(run, "diagnostic.raised") if e["severity"] == "danger"]
    assert [e["code"] for e in raised] == [diagnostic]
    assert words in raised[0]["text"]
    finished = read_events(run)[-1]
    assert (finished["status"], finished["exit_code"]) == ("failed", code)
    assert words in finished["reason"]
    assert "Traceback" not in (run / "events.jsonl").read_text()
    if end == "bug":
        assert "ZeroDivisionError" in (run / "steps/01-lora/output.log").read_text()
    if end == "kill":
        assert "GiB of" in raised[0]["because"]
    assert supervise(run)[0] == 0
    assert state_of(run) == unbroken


def test_prints_never_reach_the_events(tmp_path: Path) -> None:
    """What a library, a raw descriptor write or a child prints lands in output.log, even if it looks like an event."""
    run = make_run(tmp_path / "run", make_plan({"end": "print"}))
    assert supervise(run)[0] == 0
    log = (run / "steps/01-lora/output.log").read_text()
    for words in ('"done": 99', "from descriptor 1", "from descriptor 2", "from a child"):
        assert words in log
    assert of_type(run, "log.written") == []
    assert all(e["done"] <= 5 for e in of_type(run, "step.progress"))


def test_flood_is_thinned_and_keeps_the_last(tmp_path: Path) -> None:
    """A hundred thousand reports become a few events a second, and the last of them arrives."""
    run = make_run(tmp_path / "run", make_plan({"steps": 2, "end": "flood"}))
    assert supervise(run)[0] == 0
    flood = [e for e in of_type(run, "metric.reported") if e["name"] == "flood"]
    assert flood[-1]["value"] == 99_999
    seconds = flood[-1]["time"] - flood[0]["time"]
    assert len(flood) <= 21 * seconds + 3


@pytest.mark.parametrize(
    ("config", "code", "words"),
    [
        ({"stepz": 3}, 2, "did you mean 'steps'?"),
        ({"steps": "many"}, 2, "config steps"),
        ({"refuse": "disk-full"}, 6, "refused"),
        ({"refuse": "memory"}, 5, "refused"),
        ({"refuse": "gpu-missing"}, 4, "refused"),
        ({"refuse": "odd"}, 2, "refused"),
    ],
)
def test_refused_before_it_works(tmp_path: Path, config: dict[str, Any], code: int, words: str) -> None:
    """A wrong setting names the nearest right one, a preflight refusal has its exit code; no artifact is left."""
    run = make_run(tmp_path / "run", make_plan(config))
    assert supervise(run)[0] == code
    raised = of_type(run, "diagnostic.raised")[-1]
    assert words in f"{raised['text']} {raised['hint']}"
    assert not (run / "steps/01-lora/artifact").exists()


def test_only_executors_are_imported(tmp_path: Path) -> None:
    """A plan that names another module gets a message, and the module is not imported."""
    plan = make_plan({})
    step = plan.steps[0].model_copy(update={"executor": "antigravity"})
    run = make_run(tmp_path / "run", plan.model_copy(update={"steps": (step,)}))
    assert supervise(run)[0] == 2
    assert "there is no executor 'antigravity'" in read_events(run)[-1]["reason"]


def test_code_in_the_run_folder_is_not_imported(tmp_path: Path) -> None:
    """A run folder with a Python file named like a library does not get it executed."""
    run = make_run(tmp_path / "run", make_plan({}))
    folder = run / "steps/01-lora"
    folder.mkdir(parents=True)
    trap = "from pathlib import Path; Path(__file__).with_name('sprung').touch()"
    for name in ("pydantic.py", "psutil.py", "yaml.py"):
        (folder / name).write_text(trap)
        (run / name).write_text(trap)
    process = subprocess.run(
        [sys.executable, "-P", "-m", "executors.supervisor", str(run), "--executors", "tests.executors.toys"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=run,
        check=False,
    )
    assert process.returncode == 0
    assert list(run.rglob("sprung")) == []


def test_worker_environment(tmp_path: Path) -> None:
    """A worker is offline, quiet, and has exactly the threads of its request before anything heavy is imported."""
    code = (
        "import os; from executors.process.environment import prepare_environment; prepare_environment(3);"
        "print(os.environ['OMP_NUM_THREADS'], os.environ['HF_HUB_OFFLINE'], os.environ['TQDM_DISABLE'])"
    )
    clean = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    told = {**clean, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "0"}
    for environment, offline in (({**clean, "PYTHONPATH": str(ROOT)}, "1"), (told, "0")):
        out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert out.stdout.split() == ["3", offline, "1"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_saves_and_leaves_nothing(tmp_path: Path, number: int) -> None:
    """A stop lets the worker save, ends the run as stopped with 143 or 130, and no process is left within 5 s."""
    import time

    run = make_run(tmp_path / "run", make_plan({"steps": 50, "seconds": 0.05}))
    supervisor = start(run)
    worker_pid(run)
    began = time.monotonic()
    supervisor.send_signal(number)
    supervisor.wait(timeout=10)
    assert time.monotonic() - began < 5
    assert processes_of(run) == []
    assert supervisor.returncode == 128 + number
    assert read_events(run)[-1]["status"] == "stopped"
    saved = json.loads((run / "steps/01-lora/scratch/checkpoint.json").read_text())["done"]
    before = len(read_events(run))
    assert supervise(run)[0] == 0
    resumed = [e["done"] for e in read_events(run)[before:] if e["type"] == "step.progress" and e["step"] == 1]
    assert resumed[0] > saved


@pytest.mark.parametrize("end", ["hang-with-child", "ignore-stop"])
def test_stop_of_a_stubborn_worker(tmp_path: Path, end: str) -> None:
    """A worker that does not listen, and what it started, is killed; nothing is left within 5 s."""
    import time

    seconds = 0.5 if end == "ignore-stop" else 0.0
    run = make_run(tmp_path / "run", make_plan({"steps": 60, "seconds": seconds, "end": end}))
    supervisor = start(run)
    worker_pid(run)
    time.sleep(0.5)
    began = time.monotonic()
    supervisor.terminate()
    supervisor.wait(timeout=10)
    assert time.monotonic() - began < 5
    assert processes_of(run) == []
    assert supervisor.returncode == 143


def test_worker_dies_with_its_supervisor(tmp_path: Path) -> None:
    """When the supervisor is killed with signal 9 its worker and the worker's child are gone, and the lock is free."""
    from executors.process.lock import holder

    run = make_run(tmp_path / "run", make_plan({"steps": 4, "end": "hang-with-child"}))
    supervisor = start(run)
    worker_pid(run)
    wait_for(lambda: len(processes_of(run)) >= 3)
    supervisor.kill()
    supervisor.wait()
    wait_for(lambda: processes_of(run) == [], seconds=5)
    # A process that ends gives up its memory, and so its name in the list, a moment before its files.
    wait_for(lambda: holder(run) is None, seconds=5)


def test_damaged_input_is_refused_by_name(tmp_path: Path) -> None:
    """A worker given an artifact with a flipped bit names the file and ends with exit 2."""
    run = make_run(tmp_path / "run", make_plan({}, {}))
    supervise(run)
    (run / "steps/01-lora/artifact/state.txt").write_text("0" * 64)
    request = run / "steps/02-merge-2/request.json"
    code = [sys.executable, "-m", "executors.worker", str(request)]
    ended = subprocess.run(
        code, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    events = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [e["type"] for e in events] == ["opened", "diagnostic.raised", "closed"]
    assert "state.txt has other contents" in events[1]["text"]
