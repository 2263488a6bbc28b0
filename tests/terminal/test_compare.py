"""Compare in a real pseudo-terminal, by keys alone, at 80x24 and at 120x40, over a run of real tiny models."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from advisor.domain.plan import Plan
from tests.conftest import TINY_CORPUS
from tests.screen import Terminal
from tests.toy_runs import make_run, processes_of

pytestmark = [pytest.mark.terminal, pytest.mark.slow]


@pytest.fixture(scope="module")
def run(make_model: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run: a tiny model, and the same with a third of its weights pruned."""
    place = tmp_path_factory.mktemp("compare")
    model = make_model(place / "model")
    lines = [json.dumps({"text": text}) for text in TINY_CORPUS * 4]
    (place / "rows.jsonl").write_text("\n".join(lines) + "\n")
    step = {"number": 1, "technique": "pruned", "family": "prune", "executor": "prune", "inputs": {"model": "base"}}
    data = {"path": str(place / "rows.jsonl"), "kind": "text"}
    plan = Plan.model_validate(
        {
            "name": "compared",
            "model": {"kind": "causal-lm", "path": str(model)},
            "threads": 1,
            "steps": [{**step, "produces": "sparse-lm", "config": {"method": "magnitude", "sparsity": 0.3}}],
            "evaluation": {"config": {"data": data, "max_examples": 4, "seq_len": 64, "generate_tokens": 4}},
        }
    )
    folder = make_run(place / "data" / "technique-advisor" / "runs" / "compared", plan)
    subprocess.run([sys.executable, "-m", "executors.supervisor", str(folder)], check=True, capture_output=True)
    return folder


@pytest.mark.parametrize(("rows", "columns"), [(24, 80), (40, 120)], ids=["80x24", "120x40"])
def test_compare(run: Path, tmp_path: Path, rows: int, columns: int) -> None:
    """Ask every model, see both answers and the plot, decide about a step, export it, leave: no process stays."""
    places = {"XDG_DATA_HOME": str(run.parents[2]), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    terminal = Terminal([sys.executable, "-m", "advisor", "--no-gpu"], rows, columns, environment=places, cwd=tmp_path)
    try:
        terminal.wait_for("This machine")
        terminal.press("h")
        terminal.wait_for("compared")
        terminal.press("m")
        terminal.wait_for("Prompts")
        terminal.wait_for("What is the capital")
        terminal.press("enter")
        terminal.wait_for("1 pruned")
        terminal.wait_for("as the baseline", 60)
        terminal.press("k")
        terminal.wait_for("Choose a step")
        terminal.press("right", "e")
        terminal.wait_for("Exported and verified")
        assert (tmp_path / "compared-1-pruned" / "model.safetensors").is_file()
        terminal.press("tab")
        terminal.wait_for("perplexity (log scale)")
        terminal.press("b")
        terminal.wait_for("1 pruned is rolled back")
        assert '"1": "roll-back"' in (run / "decisions.json").read_text()
        terminal.press("escape")
        terminal.wait_for("history")
        terminal.press("escape")
        terminal.wait_for("This machine")
        terminal.press("q")
        assert terminal.wait_end() == 0
        assert terminal.is_restored()
        assert processes_of(run) == []
    finally:
        terminal.close()
        (run / "decisions.json").unlink(missing_ok=True)


def test_the_command_says_the_same(run: Path) -> None:
    """`advisor ask` asks the same models and names what differs."""
    done = subprocess.run(
        [sys.executable, "-m", "advisor", "ask", str(run), "--prompt", "What?", "--tokens", "4"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert "baseline (" in done.stdout and "1 pruned (" in done.stdout
    assert "against baseline" in done.stdout
