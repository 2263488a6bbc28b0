"""advisor/domain/run.py: folding events."""

from __future__ import annotations

from typing import Any

import pytest

from advisor.domain.event import Event, parse_event
from advisor.domain.run import SERIES_POINTS, RunState


def event(kind: str, time: float = 0.0, **fields: Any) -> Event:
    import json

    found = parse_event(json.dumps({"type": kind, "time": time, **fields}))
    assert found is not None
    return found


def fold(*events: Event) -> RunState:
    state = RunState()
    for one in events:
        state = state.after(one)
    return state


STARTED = event("run.started", 100, steps=["baseline", "lora"], version="1.0")


def test_time_at_work() -> None:
    """Neither a jump of the clock, forth or back, nor the pause before a resume counts as time at work."""
    times = [101, 102, 90_000, 90_001, 50, 51]
    state = fold(STARTED, *(event("log.written", t) for t in times))
    assert state.elapsed == pytest.approx(4)
    state = state.after(event("run.started", 80, resumed=True, steps=["baseline", "lora"]))
    assert state.after(event("log.written", 81)).elapsed == pytest.approx(5)


def test_seconds_left_counts_from_the_first_progress() -> None:
    """A step resumed at 50 % that did 10 % in 10 s has 40 s left."""
    state = fold(
        STARTED,
        event("step.started", 100, step=1, technique="lora"),
        event("step.progress", 101, step=1, done=50, total=100),
        event("step.progress", 111, step=1, done=60, total=100),
    )
    assert state.seconds_left == pytest.approx(40)
    assert fold(STARTED).seconds_left is None


def test_repeated_work_replaces_its_series() -> None:
    """Points reported again after an interruption replace the old ones: x never goes back."""
    metrics = [event("metric.reported", 101, step=1, name="loss", value=v, at=a) for v, a in ((3, 1), (2, 2), (1, 3))]
    again = event("metric.reported", 102, step=1, name="loss", value=9, at=2)
    assert fold(STARTED, *metrics, again).steps[1].series["loss"] == ((1, 3), (2, 9))


def test_long_series_are_thinned() -> None:
    """However many points are reported, a bounded number is kept, in order, the newest among them."""
    state = fold(STARTED)
    for number in range(3 * SERIES_POINTS):
        state = state.after(event("metric.reported", 101, step=1, name="loss", value=1, at=number))
    points = state.steps[1].series["loss"]
    assert len(points) <= SERIES_POINTS
    assert points[-1][0] == 3 * SERIES_POINTS - 1
    assert list(points) == sorted(points)


def test_peaks_and_seconds_survive_a_resume() -> None:
    """A step skipped on resume keeps the peak and the time of the work that was done."""
    work = event("step.finished", 110, step=1, phase="work", seconds=9, peak_rss_gib=2.5)
    skipped = event("step.finished", 200, step=1, phase="work", status="skipped")
    step = fold(STARTED, work, skipped).steps[1]
    assert (step.seconds, step.peak_rss_gib, step.status) == (9, 2.5, "skipped")


def test_evaluation_decides_the_status() -> None:
    """A step whose evaluation failed has failed, and one measured before is done."""
    failed = event("step.finished", 110, step=1, phase="evaluate", status="failed", reason="gate")
    skipped = event("step.finished", 111, step=1, phase="evaluate", status="skipped", metrics={"x": 1})
    assert fold(STARTED, failed).steps[1].status == "failed"
    step = fold(STARTED, failed, skipped).steps[1]
    assert (step.status, step.evaluation) == ("done", {"x": 1})


def test_events_before_any_start() -> None:
    """A log without its beginning still folds."""
    assert fold(event("step.progress", 5, step=3, done=1, total=2)).steps[0].fraction == 0.5
