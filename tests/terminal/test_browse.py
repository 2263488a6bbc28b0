"""Matrix, techniques and stack in a real pseudo-terminal, by keys alone, at 80x24 and at 120x40."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.screen import KEYS, Terminal

pytestmark = pytest.mark.terminal
SIZES = [(24, 80), (40, 120)]
KEY_LIMIT = 0.5
"""Seconds. A key is answered in some tens of milliseconds; a machine that is busy with other tests takes longer."""
ANSWERS = """
goal: change-behavior
also: [optimize]
behavior: task
compute: limited
optimize_for: memory-latency
model: {id: "builtin:smollm2-135m-instruct", params_b: 0.135, kind: instruct}
data: {path: "builtin:stdlib", kind: instructions, seq_len: 256}
serve: {target: cpu, bits: 8, runtime: llama.cpp}
"""


@pytest.fixture(params=SIZES, ids=["80x24", "120x40"])
def terminal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Terminal]:
    """The app on Home, on a machine without a GPU, with folders of its own."""
    rows, columns = request.param
    places = {"XDG_DATA_HOME": str(tmp_path / "data"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "advisor", "--no-gpu"]
    opened = Terminal(command, rows, columns, environment=places, cwd=tmp_path)
    opened.wait_for("This machine")
    opened.wait_for("None yet")
    yield opened
    opened.close()


def typed(terminal: Terminal, text: str, then: str) -> str:
    """Type a text, see it on the screen, press a key."""
    terminal.press(*text)
    terminal.wait_for(text)
    terminal.press(then)
    return terminal.grid.text()


def leave(terminal: Terminal) -> None:
    terminal.press("q")
    assert terminal.wait_end() == 0
    assert terminal.is_restored()


def test_matrix(terminal: Terminal) -> None:
    """The whole map fits; arrows move; enter shows a pair with its evidence; p shows the matrix of the source."""
    terminal.press("m")
    screen = terminal.wait_for("golden order: distill > finetune > merge > prune > quantize")
    assert all(f"\n {family}" in screen for family in ("prompt", "quantize", "efficiency"))
    terminal.wait_for("prompt, then prompt")
    terminal.press(*["down"] * 8, *["right"] * 4)
    terminal.wait_for("prune, then finetune")
    terminal.press("enter")
    terminal.wait_for("Close")  # a high screen shows the pair below the map before it is opened
    screen = terminal.wait_for("the first case that fits")
    assert "because: " in screen and "acts on: " in screen and "evidence (paper, strong): " in screen
    terminal.press("end")
    terminal.wait_for("taken: ")
    terminal.press("escape")
    terminal.wait_for("Other profile")
    terminal.press("p")
    screen = terminal.wait_for("profile source-matrix")
    assert "retrieve" not in screen and "prune, then finetune" in screen
    terminal.press("escape")
    terminal.wait_for("This machine")
    leave(terminal)


def test_techniques(terminal: Terminal) -> None:
    """Search, read, filter by family, and ask whether it would fit a model of a size that is typed."""
    terminal.press("t")
    terminal.wait_for("of all families")
    terminal.press("/")
    typed(terminal, "qlora", "enter")
    terminal.wait_for("[qlora, finetune, step]")
    terminal.press("w")
    terminal.wait_for("Which model?")
    terminal.press("7", "0", "enter")
    terminal.wait_for("Would it fit here?  NO")
    terminal.wait_for("a model of 70 B parameters; no GPU")
    terminal.press("?")
    terminal.wait_for("Keys here")
    terminal.press("escape")
    terminal.wait_for("w Would it fit?")
    terminal.press("escape")
    terminal.wait_for("of all families")
    terminal.wait_for("agentic-rag")
    terminal.press("f")
    terminal.wait_for("8 of ")
    terminal.press("escape")
    terminal.wait_for("This machine")
    leave(terminal)


def test_stack(terminal: Terminal, tmp_path: Path) -> None:
    """Reorder, fix, add, configure and undo, each judged at once; a stack that cannot run is refused."""
    (tmp_path / "a.yaml").write_text(ANSWERS)
    terminal.press("o")
    terminal.wait_for("Answers file")
    terminal.press("a.yaml", "enter")
    terminal.wait_for("Peak ")
    terminal.press("e")
    terminal.wait_for("edit the stack")
    terminal.press("J")
    terminal.wait_for("CANNOT BE RUN")
    terminal.wait_for("DANGER adapter-merge needs an adapter")
    terminal.press("r")
    terminal.wait_for("this stack cannot be run")
    terminal.press("f")
    terminal.wait_for("The fix ")
    terminal.press("u", "u")
    terminal.wait_for("Undone.")
    terminal.press("a")
    terminal.wait_for("pick a technique")
    terminal.press("/")
    typed(terminal, "wanda", "enter")
    terminal.wait_for("Added wanda as step 3.")
    terminal.press("e")
    terminal.wait_for("Settings of wanda")
    terminal.press("2")
    terminal.wait_for("less than 1")
    terminal.press("backspace", "0", ".", "3", "enter")
    screen = terminal.wait_for("wanda: sparsity 0.3.")
    assert "wanda*" in screen
    terminal.press("w")
    terminal.wait_for("Written: plan.yaml")
    assert "sparsity: 0.3" in (tmp_path / "plan.yaml").read_text()
    terminal.press("escape")
    terminal.wait_for("recommendation")
    terminal.press("escape")
    terminal.wait_for("This machine")
    leave(terminal)


def test_no_key_waits(terminal: Terminal, tmp_path: Path) -> None:
    """Moving a step is answered before the next key can be pressed."""
    (tmp_path / "a.yaml").write_text(ANSWERS)
    terminal.press("o")
    terminal.wait_for("Answers file")
    terminal.press("a.yaml", "enter")
    terminal.wait_for("Peak ")
    terminal.press("e")
    terminal.wait_for("edit the stack")
    waits = []
    for _ in range(5):
        for key, expected in (("J", "lora is step 2 now."), ("K", "lora is step 1 now.")):
            begun = time.monotonic()
            terminal.press_now(KEYS.get(key, key))
            terminal.wait_for(expected)
            waits.append(time.monotonic() - begun)
    assert sorted(waits)[len(waits) // 2] < KEY_LIMIT
    terminal.press("escape", "escape")
