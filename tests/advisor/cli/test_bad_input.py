"""Bad input ends in one clear message and the documented exit code, never in a traceback, and nothing is lost."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
GOOD = "goal: change-behavior\nbehavior: task\nmodel: {id: 'builtin:smollm2-135m-instruct'}\n"


def advisor(*arguments: str, cwd: Path, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """One whole `advisor` process without a terminal."""
    variables = {**os.environ, "XDG_DATA_HOME": str(cwd / "data"), "XDG_CACHE_HOME": str(cwd / "cache"), **environment}
    return subprocess.run(
        [sys.executable, "-m", "advisor", *arguments],
        cwd=cwd, input=stdin, capture_output=True, text=True, timeout=120, env=variables,
    )  # fmt: skip


def assert_refused(done: subprocess.CompletedProcess[str], code: int, *told: str) -> None:
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    assert done.returncode == code, done.stderr
    for words in told:
        assert words in done.stderr, done.stderr
    assert done.stderr.startswith("error: ")


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ("goal: optimize\nmodle: {}\n", ("a.yaml:2", "'modle'", "'model'")),
        ("goal: 7\n", ("a.yaml:1", "goal")),
        ("goal: optimize\nmodel: {id: ''}\n", ("a.yaml:2", "model.id: it is empty")),
        ("goal: &g [*g]\n", ("a.yaml", "alias")),
        ("goal: optimize\ndata: 5\n", ("a.yaml:2", "data")),
        ("goal: [\n", ("a.yaml", "YAML")),
        ("goal: optimize\navoid: [lorra]\n", ("lorra", "lora")),
        ("goal: optimize\nmodel: {id: ./empty-folder}\n", ("empty-folder", "config.json")),
        ("goal: optimize\ndata: {path: ./none.jsonl}\n", ("none.jsonl",)),
        ("goal: optimize\ntrain: {machines: 2}\n", ("a.yaml:2", "2 machines must meet", "HOST:PORT")),
        ("goal: optimize\ntrain: {machines: 2, rendezvous: 'a:70000'}\n", ("a.yaml:2", "there is no port 70000")),
    ],
)
def test_bad_answers(tmp_path: Path, answers: str, told: tuple[str, ...]) -> None:
    """Unknown keys, wrong types, unknown techniques, folders that are no model, data that is not there: exit 2."""
    (tmp_path / "empty-folder").mkdir()
    (tmp_path / "a.yaml").write_text(answers)
    assert_refused(advisor("--non-interactive", "a.yaml", cwd=tmp_path), 2, *told)


def test_ways_are_compared_on_one_machine(tmp_path: Path) -> None:
    """A comparison would wait for other machines in every arm that trains: it is refused before anything is made."""
    (tmp_path / "a.yaml").write_text(f"{GOOD}train: {{machines: 2, rendezvous: 'node1:29500'}}\n")
    assert_refused(advisor("compare", "a.yaml", cwd=tmp_path), 2, "compared on one machine", "leave train.machines")


def test_missing_answers_file(tmp_path: Path) -> None:
    """A file that is not there is named."""
    assert_refused(advisor("--non-interactive", "none.yaml", cwd=tmp_path), 2, "none.yaml", "no such file")


def test_answers_from_stdin(tmp_path: Path) -> None:
    """`-` reads standard input, and faults there are placed too."""
    done = advisor("--non-interactive", "-", cwd=tmp_path, stdin="goal: optimize\nbad: 1\n")
    assert_refused(done, 2, "<stdin>:2", "'bad'")


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("", ("empty",)),
        ('{"prompt": "a", "completion": "b"}\n{"prompt": \n', ("rows.jsonl:2",)),
    ],
)
def test_bad_data(tmp_path: Path, rows: str, told: tuple[str, ...]) -> None:
    """Empty data and broken JSONL are refused when a plan is run, with file and line, before anything is trained."""
    (tmp_path / "rows.jsonl").write_text(rows)
    (tmp_path / "a.yaml").write_text(GOOD + "data: {path: rows.jsonl, kind: instructions, examples: 1000}\n")
    done = advisor("run", "a.yaml", "--run-dir", "r", cwd=tmp_path)
    assert_refused(done, 2, *told)


@pytest.mark.parametrize("environment", [{}, {"TERM": "dumb"}])
def test_no_terminal(tmp_path: Path, environment: dict[str, str]) -> None:
    """The app without a terminal says so in a sentence that names both ways out; it never hangs."""
    assert_refused(advisor(cwd=tmp_path, **environment), 2, "--non-interactive", "--plain")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("runn",), "advisor run"),
        (("--formt", "json"), "--format"),
        (("matrix", "prun", "finetune"), "prune"),
        (("techniques", "lorra"), "lora"),
        (("--execute",), "--non-interactive"),
        (("run", "none.yaml"), "no such file"),
        (("resume", "none"), "none"),
        (("report", "none"), "none"),
        (("--non-interactive", "a.yaml", "--gpu", "A100"), "NAME:GIB"),
        (("--non-interactive", "a.yaml", "--ram", "-4"), "GiB"),
        (("estimate", "none.yaml"), "no such file"),
        (("inspect", "none.jsonl"), "none.jsonl"),
    ],
)
def test_bad_arguments(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    """A misspelt word names its nearest valid one; a missing file is named; exit 2."""
    assert_refused(advisor(*arguments, cwd=tmp_path), 2, told)


def test_output_that_cannot_be_written(tmp_path: Path) -> None:
    """A report that cannot be written ends with exit 6 and leaves no half-written file."""
    (tmp_path / "a.yaml").write_text(GOOD)
    done = advisor("--non-interactive", "a.yaml", "--output", "no-folder/report.md", cwd=tmp_path)
    assert_refused(done, 6, "no-folder/report.md")


def test_nothing_feasible(tmp_path: Path) -> None:
    """A 70 B model on one 24 GiB GPU: exit 3, the report still printed, with what would make it feasible."""
    (tmp_path / "a.yaml").write_text(
        "goal: change-behavior\nbehavior: task\nmodel: {params_b: 70}\ndata: {kind: instructions, examples: 5000}\n"
        "hardware: {gpus: [{name: RTX 4090, memory_gib: 24}], ram_gib: 128, disk_gib: 2000}\n"
    )
    done = advisor("--non-interactive", "a.yaml", cwd=tmp_path)
    assert done.returncode == 3
    assert "Rejected" in done.stdout and "GiB" in done.stdout
    assert "What would change this advice" in done.stdout


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    """`advisor techniques | head -1` ends quietly."""
    command = f"{sys.executable} -m advisor techniques | head -1"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert done.stderr == ""


@pytest.mark.parametrize(
    "options", [("--diff", "a.yaml", "--execute"), ("--run-dir", "r"), ("--plain",), ("--gpu", "A100:80", "--no-gpu")]
)
def test_options_that_would_not_be_read(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Options that cannot both be followed are refused; none is passed over in silence."""
    (tmp_path / "a.yaml").write_text(GOOD)
    assert_refused(advisor("--non-interactive", "a.yaml", *options, cwd=tmp_path), 2)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams(tmp_path: Path, closed: str) -> None:
    """A stream that the caller closed is like /dev/null, and the exit code is that of the command."""
    command = f"exec {shlex.quote(sys.executable)} -m advisor techniques lora {closed}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_plain_ascii(tmp_path: Path) -> None:
    """Characters that the terminal's encoding lacks are question marks, not an error; JSON stays JSON."""
    done = advisor("techniques", "lora", "--json", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["techniques"][0]["sources"][0].startswith("004 ?")


def test_an_answers_file_is_no_estimate_file(tmp_path: Path) -> None:
    """`estimate` of an answers file says so, and how to see what it was meant to show."""
    (tmp_path / "a.yaml").write_text(GOOD)
    done = advisor("estimate", "a.yaml", cwd=tmp_path)
    assert_refused(done, 2, "an answers file, not an estimate file", "advisor --non-interactive a.yaml")


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="needs a place that keeps no files")
def test_a_home_that_keeps_no_files(tmp_path: Path) -> None:
    """A folder for runs that cannot be made is told as that, not as a full disk."""
    (tmp_path / "a.yaml").write_text(GOOD + "data: {path: 'builtin:stdlib', kind: instructions}\n")
    done = advisor("run", "a.yaml", "--dry-run", "--no-gpu", cwd=tmp_path, XDG_DATA_HOME="/proc/none")
    assert_refused(done, 6, "/proc: a run cannot be kept there", "--run-dir")


def test_simulated_hardware_is_told(tmp_path: Path) -> None:
    """`run` for hardware that this machine does not have says so beside the plan, and nothing without the option."""
    model = "model: {id: 'builtin:smollm2-135m-instruct'}\n"
    (tmp_path / "a.yaml").write_text(f"goal: change-behavior\nbehavior: quick\n{model}")
    told, plain = (
        advisor("run", "a.yaml", "--dry-run", *options, cwd=tmp_path, XDG_DATA_HOME=str(tmp_path))
        for options in (["--ram", "24"], [])
    )
    assert (told.returncode, plain.returncode) == (0, 0)
    assert "simulated hardware" in told.stderr and "simulated" not in told.stdout + plain.stderr


def test_simulated_hardware_goes_with_answers(tmp_path: Path) -> None:
    """`run --gpu` of a plan is refused: a plan was made for its hardware."""
    (tmp_path / "p.yaml").write_text("steps: []\n")
    assert_refused(advisor("run", "p.yaml", "--no-gpu", cwd=tmp_path), 2, "go with an answers file")
