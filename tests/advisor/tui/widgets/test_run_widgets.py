"""What the run screen says is a function of the run's state."""

from __future__ import annotations

from advisor.domain.estimate import Range, StepEstimate
from advisor.domain.event import (
    MetricReported,
    ResourceSampled,
    RunFinished,
    RunStarted,
    StepFinished,
    StepProgress,
    StepStarted,
)
from advisor.domain.plan import Plan
from advisor.domain.run import RunState
from advisor.tui.widgets.pipeline import strip_text
from advisor.tui.widgets.plots import thinned
from advisor.tui.widgets.progress import gained_lines, metric_rows, step_lines, time_left

PLAN = Plan.model_validate(
    {
        "name": "p",
        "model": {"kind": "causal-lm", "path": "builtin:x"},
        "steps": [
            {
                "number": 1,
                "technique": "lora",
                "family": "finetune",
                "executor": "finetune",
                "inputs": {"model": "base"},
                "produces": "adapter",
                "estimate": StepEstimate(ram_gib=Range(low=1, expected=2, high=3)).model_dump(),
            }
        ],
    }
)


def state_after(*events: object) -> RunState:
    state = RunState()
    for number, event in enumerate(events, 1):
        state = state.after(event.model_copy(update={"seq": number}))  # type: ignore[attr-defined]
    return state


RUNNING = (
    RunStarted(time=100, steps=("baseline", "lora")),
    StepStarted(time=101, step=0, technique="baseline", phase="evaluate"),
    StepFinished(time=110, step=0, phase="evaluate", metrics={"held_out_perplexity": 20.0, "accuracy": 0.5}),
    StepStarted(time=111, step=1, technique="lora"),
    StepProgress(time=120, step=1, done=25, total=100, unit="steps", what="training"),
    MetricReported(time=120, step=1, name="loss", value=1.5, at=25),
    ResourceSampled(time=121, step=1, rss_gib=1.25),
)


def test_the_strip_tells_done_running_and_to_come_by_marks() -> None:
    """Each step has a mark of its own; the running one its share."""
    text = strip_text(state_after(*RUNNING)).plain
    assert text == "✓ baseline ── ▶ 1 lora 25 %"


def test_the_step_is_told_with_memory_against_prediction_and_time_left() -> None:
    """Progress with its unit, loss, memory measured and predicted, and the time left at the pace so far."""
    state = state_after(*RUNNING)
    lines = step_lines(state, PLAN, now=131)
    assert lines[0] == "lora"
    assert "25 / 100 steps training" in lines
    assert "loss 1.5" in lines
    assert "memory 1.2 GiB, predicted 2.0" in lines
    assert "step: about 60 s left" in lines
    assert time_left(state.steps[1].model_copy(update={"done": 0.0}), 131) is None


def test_what_was_gained_stands_against_the_baseline() -> None:
    """Once two models were measured, the change of each metric is told; before, nothing is."""
    assert gained_lines(state_after(*RUNNING)) == []
    done = state_after(
        *RUNNING,
        StepFinished(time=130, step=1),
        StepFinished(time=140, step=1, phase="evaluate", metrics={"held_out_perplexity": 5.0, "accuracy": 0.75}),
        RunFinished(time=141),
    )
    lines = step_lines(done, PLAN, now=150)
    assert lines[0] == "run done"
    assert "held-out ppl -75.0 %" in lines and "accuracy +25.0 points" in lines
    assert metric_rows(done)[0] == ("held-out ppl", "20", "5")


def test_long_series_are_thinned_evenly_and_keep_their_end() -> None:
    """A plot never gets more points than it can show, and always the latest."""
    points = tuple((float(n), float(n)) for n in range(1000))
    few = thinned(points, 50)
    assert len(few) == 50 and few[0] == points[0] and few[-1] == points[-1]
    assert thinned(points[:10], 50) == points[:10]
