"""advisor/cli/watching.py and its commands: a run shown to its end, stopped by Ctrl-C, left by a signal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from advisor.runs.state import load_state
from advisor.runs.stop import stop
from tests.screen import Terminal
from tests.toy_runs import ROOT, make_plan, make_run, of_type, supervise, wait_for

WATCH = """
import sys
from pathlib import Path
from advisor.cli.watching import watch
from advisor.domain.plan import Plan
from advisor.runs.launch import launch
from advisor.runs.prepare import prepare
from tests.toy_runs import TOYS
run = Path(sys.argv[1])
plan = Plan.model_validate_json(sys.argv[2])
launch(prepare(plan, run, package=TOYS), run)
sys.exit(watch(run, as_json="--json" in sys.argv))
"""
LONG = {"steps": 100, "seconds": 0.1}


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "XDG_DATA_HOME": str(tmp_path / "data")}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Path]:
    """Where the run will be; it is stopped afterwards."""
    yield tmp_path / "run"
    stop(tmp_path / "run")


def command(run: Path, config: dict[str, Any], *options: str) -> list[str]:
    return [sys.executable, "-c", WATCH, str(run), make_plan(config).model_dump_json(by_alias=True), *options]


def advisor(home: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "advisor", *arguments]
    return subprocess.run(words, env=home, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def test_plain_lines(run: Path, home: dict[str, str]) -> None:
    """Without a terminal: sentences on stderr, the before/after report on stdout, the files in the folder."""
    ended = subprocess.run(command(run, {"steps": 3}), env=home, capture_output=True, text=True, check=False)
    assert ended.returncode == 0
    assert "1 lora: wrote adapter" in ended.stderr
    assert "1 lora: measured: held out loss 1.015" in ended.stderr
    assert "\x1b" not in ended.stderr
    assert "Before and after" in ended.stdout
    assert str(run) in ended.stdout
    assert (run / "report.md").is_file()
    assert json.loads((run / "report.json").read_text())["status"] == "done"


def test_json_lines(run: Path, home: dict[str, str]) -> None:
    """With --json stdout is the run's events and nothing else."""
    ended = subprocess.run(command(run, {"steps": 3}, "--json"), env=home, capture_output=True, text=True, check=False)
    types = [json.loads(line)["type"] for line in ended.stdout.splitlines()]
    assert (types[0], types[-1]) == ("run.started", "run.finished")
    assert types == [e["type"] for e in map(json.loads, (run / "events.jsonl").read_text().splitlines())]


def test_failure(run: Path, home: dict[str, str]) -> None:
    """A failed run ends with its own exit code, the reason, what to try, and how to go on."""
    ended = subprocess.run(command(run, {"end": "memory"}), env=home, capture_output=True, text=True, check=False)
    assert ended.returncode == 5
    for words in ("failed: lora: out of memory", "try: smaller micro_batch", f"advisor resume {run}"):
        assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def test_ctrl_c_stops_the_run(run: Path, home: dict[str, str]) -> None:
    """Ctrl-C stops the run with a save, says how to go on, and exits 130."""
    shown = subprocess.Popen(command(run, LONG), env=home, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: of_type(run, "step.progress"))
    shown.send_signal(signal.SIGINT)
    _, said = shown.communicate(timeout=20)
    assert shown.returncode == 130
    assert f"advisor resume {run}" in said
    assert "Traceback" not in said
    assert load_state(run).status == "stopped"


def test_left_by_a_signal(run: Path, home: dict[str, str]) -> None:
    """SIGTERM ends the watching with 143 and leaves the run going; it can be attached to again."""
    shown = subprocess.Popen(command(run, LONG), env=home, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: of_type(run, "step.progress"))
    shown.terminate()
    _, said = shown.communicate(timeout=20)
    assert shown.returncode == 143
    assert f"advisor resume --attach {run}" in said
    assert load_state(run).status == "running"
    refused = advisor(home, "resume", str(run))
    assert refused.returncode == 7
    assert "already active" in refused.stderr
    listed = json.loads(advisor(home, "runs", "--json").stdout)
    assert [(r["folder"], r["status"]) for r in listed["runs"]] == [(str(run), "running")]
    assert advisor(home, "stop", str(run)).returncode == 0
    assert load_state(run).status == "stopped"


@pytest.mark.terminal
def test_panels_in_a_terminal(run: Path, home: dict[str, str]) -> None:
    """In a terminal: live panels at 80x24; SIGTERM leaves the cursor shown, the line settings back, the run alive."""
    terminal = Terminal(command(run, LONG), environment=home)
    try:
        terminal.wait_for("▶ 1 lora")
        terminal.wait_for("loss 0.")
        shown = terminal.wait_for("about")
        assert "predicted" in shown
        assert "measured" in shown
        terminal.send_signal(signal.SIGTERM)
        assert terminal.wait_end() == 143
        assert terminal.raw.rfind(b"\x1b[?25h") > terminal.raw.rfind(b"\x1b[?25l")
        assert load_state(run).status == "running"
    finally:
        terminal.close()


@pytest.mark.terminal
def test_ctrl_c_in_a_terminal(run: Path, home: dict[str, str]) -> None:
    """The key Ctrl-C in a terminal stops the run and restores the cursor."""
    terminal = Terminal(command(run, LONG), environment=home)
    try:
        terminal.wait_for("▶ 1 lora")
        terminal.press("\x03")
        assert terminal.wait_end(20) == 130
        assert terminal.raw.rfind(b"\x1b[?25h") > terminal.raw.rfind(b"\x1b[?25l")
        assert load_state(run).status == "stopped"
    finally:
        terminal.close()


@pytest.mark.parametrize("word", ["resume", "report", "stop"])
def test_no_run_there(tmp_path: Path, home: dict[str, str], word: str) -> None:
    """A folder that is no run is one message and exit 2."""
    for place in (tmp_path, tmp_path / "missing"):
        ended = advisor(home, word, str(place))
        assert ended.returncode == 2
        assert ended.stderr.count("\n") <= 3
        assert "Traceback" not in ended.stderr


def test_report_command(tmp_path: Path, home: dict[str, str]) -> None:
    """`advisor report` prints every form, and writes a file whole."""
    run = make_run(tmp_path / "done", make_plan({}))
    supervise(run)
    assert "Before and after" in advisor(home, "report", str(run)).stdout
    assert json.loads(advisor(home, "report", str(run), "--format", "json").stdout)["status"] == "done"
    assert advisor(home, "report", str(run), "--format", "html", "--output", str(tmp_path / "r.html")).returncode == 0
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")


def test_run_command_refuses_before_it_starts(tmp_path: Path, home: dict[str, str]) -> None:
    """`advisor run` with a wrong plan says so with exit 2 and makes no folder; --dry-run makes none either."""
    plan = make_plan({})
    file = tmp_path / "plan.json"
    file.write_text(plan.model_dump_json(by_alias=True))
    ended = advisor(home, "run", str(file), "--run-dir", str(tmp_path / "new"))
    assert ended.returncode == 2
    assert "there is no executor" in ended.stderr
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "data").exists()
