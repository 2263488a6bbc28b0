"""advisor/cli/panels.py: the picture of a run fits its screen and shows what matters."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from advisor.cli.panels import Panels, picture, time_left
from advisor.domain.estimate import Range, StepEstimate
from advisor.domain.event import parse_event
from advisor.domain.run import RunState
from tests.toy_runs import make_plan, make_run

EVENTS = [
    {"type": "run.started", "time": 100, "version": "1.0", "steps": ["baseline", "lora", "merge-2"]},
    {"type": "step.finished", "time": 101, "step": 0, "phase": "evaluate", "metrics": {"held_out_loss": 2.5}},
    {"type": "step.started", "time": 102, "step": 1, "technique": "lora"},
    {"type": "step.progress", "time": 103, "step": 1, "done": 1, "total": 100, "unit": "steps"},
    *({"type": "metric.reported", "time": 104, "step": 1, "name": "loss", "value": 9 / n, "at": n} for n in (1, 2, 3)),
    {"type": "metric.reported", "time": 104, "step": 1, "name": "tokens_per_second", "value": 840},
    {"type": "resource.sampled", "time": 105, "rss_gib": 1.5},
    {"type": "log.written", "time": 105, "text": "[red]\x1b[31m saved checkpoint"},
    {"type": "step.progress", "time": 113, "step": 1, "done": 51, "total": 100, "unit": "steps", "what": "training"},
]


def state() -> RunState:
    found = RunState()
    for fields in EVENTS:
        event = parse_event(json.dumps(fields))
        assert event is not None
        found = found.after(event)
    return found


def drawn(width: int, height: int) -> str:
    cost = StepEstimate(seconds=Range(low=20, expected=30, high=40), ram_gib=Range(low=1, expected=2, high=3))
    plan = make_plan({}, {})
    plan = plan.model_copy(update={"steps": tuple(s.model_copy(update={"estimate": cost}) for s in plan.steps)})
    console = Console(width=width, height=height, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(picture(state(), plan, width, height))
    return capture.get()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (200, 60), (60, 12), (40, 4)])
def test_fits(width: int, height: int) -> None:
    """On any screen it is neither wider nor higher than the screen."""
    lines = drawn(width, height).splitlines()
    assert len(lines) <= height
    assert max(len(line) for line in lines) <= width


@pytest.mark.parametrize(
    "words", ["▶ 1 lora 51%", "○ 2 merge-2", "loss 3.000", "840", "predicted 2.0", "1.5 GiB", "held out loss", "left"]
)
def test_shows(words: str) -> None:
    """Strip, loss, throughput, memory against prediction, results and time left are all there at 80x24."""
    assert words in drawn(80, 24)


def test_text_from_a_run_is_harmless() -> None:
    """Escape sequences from a worker never reach the terminal, and markup stays text."""
    text = drawn(120, 40)
    assert "\x1b" not in text
    assert "[red]" in text


def test_time_left_adds_the_steps_to_come() -> None:
    """What is left is this step at its pace plus what the plan expects of later steps."""
    plan = make_plan({}, {})
    cost = StepEstimate(seconds=Range(low=20, expected=30, high=40))
    later = plan.steps[1].model_copy(update={"estimate": cost})
    plan = plan.model_copy(update={"steps": (plan.steps[0], later)})
    assert time_left(state(), plan) == pytest.approx(10 / 0.5 * 0.49 + 30)


def test_figures_wait_for_the_next_picture_and_steps_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing costs time on a machine that trains: figures are drawn once a second, what happens to a step at once."""
    make_run(tmp_path, make_plan({}, {}))
    clock, drawn = [100.0], []
    monkeypatch.setattr("advisor.cli.panels.time.monotonic", lambda: clock[0])
    monkeypatch.setattr("advisor.cli.panels.picture", lambda *given: drawn.append(clock[0]) or "")
    panels = Panels(tmp_path, Console(file=StringIO()))

    def tell(kind: str) -> int:
        event = parse_event(json.dumps({"type": kind, "time": 1, "step": 1}))
        assert event is not None
        panels.show(event, state())
        return len(drawn)

    assert tell("metric.reported") == 1
    clock[0] += 0.5
    assert [tell(kind) for kind in ("step.progress", "resource.sampled", "metric.reported", "log.written")] == [1] * 4
    assert tell("step.finished") == 2
    clock[0] += 1.1
    assert tell("step.progress") == 3
