"""The app in a real pseudo-terminal at 80x24, by keys alone: from Home to a finished run, and what ends it."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from advisor.runs.prepare import holder
from advisor.runs.stop import stop
from tests.screen import Terminal

pytestmark = pytest.mark.terminal
COMMAND = [sys.executable, "-m", "advisor"]


def write_data(path: Path, rows: int = 240) -> None:
    """Instruction rows with answers a two-layer model can learn."""
    lines = (
        json.dumps({"prompt": f"What does item {n % 7} return?", "completion": f"It returns {n % 7}."})
        for n in range(rows)
    )
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def answers(tmp_path: Path, tiny_model: Path) -> Path:
    """An answers file for the tiny model; its stack is lora, adapter-merge, gguf."""
    write_data(tmp_path / "rows.jsonl")
    file = tmp_path / "answers.yaml"
    file.write_text(
        "goal: change-behavior\nalso: [optimize]\nbehavior: task\ncompute: limited\noptimize_for: memory-latency\n"
        f"model: {{id: {tiny_model}, kind: instruct}}\n"
        f"data: {{path: {tmp_path / 'rows.jsonl'}, kind: instructions, examples: 2000, seq_len: 64}}\n"
        "train: {micro_batch: 4, tokens_budget: 6000}\nserve: {target: cpu, bits: 8}\n"
    )
    return file


def places(folder: Path) -> dict[str, str]:
    """Data and cache folders of the test's own."""
    return {"XDG_DATA_HOME": str(folder / "data"), "XDG_CACHE_HOME": str(folder / "cache")}


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """The app on Home, with folders of its own."""
    opened = Terminal([*COMMAND, "--no-gpu"], environment=places(tmp_path), cwd=tmp_path)
    opened.wait_for("This machine")
    yield opened
    opened.close()
    for folder in runs(tmp_path):
        stop(folder)


def open_answers(terminal: Terminal, answers: Path) -> None:
    terminal.press("o")
    terminal.wait_for("Answers file")
    terminal.press(str(answers), "enter")
    terminal.wait_for("adapter-merge")


def runs(folder: Path) -> list[Path]:
    return sorted(path.parent for path in (folder / "data").rglob("plan.yaml"))


def test_questions_by_keys(terminal: Terminal) -> None:
    """Digits answer, the tree unfolds beside, back undoes, and the walk ends in a recommendation."""
    terminal.press("n")
    terminal.wait_for("What do you want from the model")
    terminal.press("2")
    terminal.wait_for("Should anything else change")
    terminal.press("3")
    terminal.wait_for("[x] 3")
    terminal.press("enter")
    terminal.wait_for("3a")
    terminal.press("t")
    terminal.wait_for("Decision tree")
    terminal.press("t", "2")
    terminal.wait_for("3c")
    terminal.press("backspace")
    terminal.wait_for("3a")
    terminal.press("2", "1")
    terminal.wait_for("4a")
    terminal.press("1")
    terminal.wait_for("Which model")
    terminal.press("/no/such/model", "enter")
    terminal.wait_for("there is no model at")
    terminal.press("ctrl+b")
    terminal.wait_for("4a")
    terminal.press("1")
    terminal.wait_for("Which model")
    terminal.press("builtin:smollm2-135m-instruct", "enter")
    terminal.wait_for("base model")
    terminal.press("f")
    terminal.wait_for("Peak")


@pytest.mark.slow
def test_from_home_to_a_finished_run(terminal: Terminal, answers: Path, tmp_path: Path) -> None:
    """Open an answers file, look at the reasons, run the stack on a tiny model, and read its report."""
    open_answers(terminal, answers)
    terminal.press("2")
    terminal.wait_for("Warnings")
    terminal.press("r")
    terminal.wait_for("baseline", seconds=30)
    terminal.wait_for("done,", seconds=240)
    screen = terminal.grid.text()
    for word in ("lora", "adapter-merge", "gguf"):
        assert f"{word}" in screen
    terminal.press("v")
    terminal.wait_for("Before and after")
    terminal.press("escape")
    terminal.wait_for("measured")
    terminal.press("escape")
    terminal.wait_for("Peak")
    terminal.press("escape")
    terminal.wait_for("This machine")
    terminal.press("q")
    assert terminal.wait_end() == 0
    assert terminal.is_restored()
    (run,) = runs(tmp_path)
    assert (run / "report.json").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_a_signal_leaves_the_terminal_restored_and_the_run_alive(
    terminal: Terminal, answers: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """The app ends with the shell's code and gives the terminal back; the run goes on, and a new app shows it."""
    open_answers(terminal, answers)
    terminal.press("r")
    terminal.wait_for("baseline", seconds=60)
    terminal.send_signal(number)
    assert terminal.wait_end() == code
    assert terminal.is_restored()
    (run,) = runs(tmp_path)
    seen = (run / "events.jsonl").stat().st_size
    deadline = time.monotonic() + 60
    while (run / "events.jsonl").stat().st_size == seen and time.monotonic() < deadline:
        time.sleep(0.2)
    assert holder(run) is not None and (run / "events.jsonl").stat().st_size > seen
    again = Terminal([*COMMAND, "--no-gpu"], environment=places(tmp_path), cwd=tmp_path)
    try:
        again.wait_for("running")
        again.press("h")
        again.wait_for("history")
        again.press("enter")
        again.wait_for("measured")
        again.press("s")
        again.wait_for("Stopped", seconds=30)
    finally:
        again.close()
    deadline = time.monotonic() + 10
    while holder(run) is not None and time.monotonic() < deadline:
        time.sleep(0.1)  # the last event is written a moment before the supervisor ends
    assert holder(run) is None


def test_a_resize_in_the_middle_keeps_everything(terminal: Terminal) -> None:
    """Larger, and smaller than the app likes: it draws again and nothing is lost."""
    terminal.press("n")
    terminal.wait_for("What do you want from the model")
    for rows, columns in ((60, 200), (24, 80)):
        terminal.resize(rows, columns)
        terminal.wait_for_last_line("Back")
        terminal.wait_for("What do you want from the model")
    terminal.press("escape")
    terminal.wait_for("This machine")
    terminal.press("q")
    assert terminal.wait_end() == 0


def test_a_signal_is_heard_through_a_flood_of_keys(terminal: Terminal) -> None:
    """A paste with escapes in it is taken for tens of thousands of keys; the app still ends in time, restored."""
    terminal.wait_for("Open")
    terminal.press_now("\x1b[200~" + "paste \x1b[31m text [bold] " * 2000 + "\x1b[201~")
    terminal.read(1.0)
    terminal.send_signal(signal.SIGTERM)
    assert terminal.wait_end(15) == 143
    assert terminal.is_restored()
