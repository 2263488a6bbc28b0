"""A run in a terminal: strip of steps, loss, memory against prediction, pace, table of results, log. Drawn on stderr.

It draws a `RunState` and decides nothing. Leaves the screen as it was, with the last picture on it.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from advisor.cli.plot import braille_plot, spark
from advisor.report.document import printable
from advisor.report.units import duration, gib, number

if TYPE_CHECKING:
    from advisor.domain.event import Event
    from advisor.domain.plan import Plan, Step
    from advisor.domain.run import RunState, StepState

_MARKS = {
    "pending": "○",
    "running": "▶",
    "evaluating": "◉",
    "done": "✓",
    "skipped": "✓",
    "failed": "✗",
    "stopped": "■",
    "rolled-back": "↩",
}
_STYLES = {"done": "green", "skipped": "green", "running": "bold", "evaluating": "bold", "failed": "bold red"}
_PLOT_ROWS = 6
_LOG_ROWS = 4
_EVERY = 1.0
"""Seconds between two pictures of figures; what happens to a step is drawn at once."""
_FIGURES = ("metric.reported", "step.progress", "resource.sampled", "log.written")


class Panels:
    """The live view of one run."""

    def __init__(self, run_dir: Path, console: Console | None = None) -> None:
        from advisor.files import read_plan
        from advisor.runs.places import PLAN

        self._plan = read_plan(str(run_dir / PLAN))
        self._console = console or Console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False, transient=False)
        self._drawn = 0.0
        self._said = ""

    def __enter__(self) -> Panels:
        # It only looks on: on a machine whose cores all train it draws in what they leave.
        with contextlib.suppress(AttributeError, OSError):
            os.nice(19)
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def say(self, text: str) -> None:
        self._said = text

    def show(self, event: Event, state: RunState) -> None:
        now = time.monotonic()
        if event.type not in _FIGURES or now - self._drawn >= _EVERY:
            self._drawn = now
            width, height = self._console.size
            self._live.update(picture(state, self._plan, width, height, self._said), refresh=True)


def picture(state: RunState, plan: Plan, width: int, height: int, said: str = "") -> RenderableType:
    """Everything about a run on `width` columns and at most `height` lines; lower panels go first when it is low."""
    current = _current(state)
    parts: list[RenderableType] = [_strip(state), _clock(state, plan)]
    rows = 2
    if current is not None and height >= rows + _PLOT_ROWS + 3:
        parts.append(_middle(state, current, plan, width))
        rows += _PLOT_ROWS + 2
    if height >= rows + _LOG_ROWS + 4:
        parts.append(_results(state, width))
        rows += _LOG_ROWS + 2
    if said:
        parts.append(Text(said, style="bold"))
    return Group(*parts)


def _strip(state: RunState) -> Text:
    strip = Text(no_wrap=True, overflow="ellipsis")
    for step in state.steps:
        if step.number:
            strip.append(" ── ", style="dim")
        share = f" {step.fraction:.0%}" if step.status == "running" and step.fraction is not None else ""
        name = f"{step.number} {step.technique}" if step.number else "baseline"
        strip.append(f"{_MARKS[step.status]} {name}{share}", style=_STYLES.get(step.status, ""))
    return strip


def _clock(state: RunState, plan: Plan) -> Text:
    text = f"{state.status}, {duration(state.elapsed)} so far"
    left = time_left(state, plan)
    if left is not None and state.status == "running":
        text += f", about {duration(left)} left"
    return Text(text, style="dim")


def time_left(state: RunState, plan: Plan) -> float | None:
    """The rest of this step at its pace, plus what the plan expects of the steps to come; None when unknown."""
    later = [s.estimate.seconds for s in plan.steps if state.current is not None and s.number > state.current]
    ahead = sum(r.expected for r in later if r is not None)
    now = state.seconds_left
    if now is None:
        step = next((s for s in plan.steps if s.number == state.current), None)
        now = step.estimate.seconds.expected if step is not None and step.estimate.seconds is not None else None
    return None if now is None else now + ahead


def _middle(state: RunState, step: StepState, plan: Plan, width: int) -> Table:
    grid = Table.grid(expand=True)
    shares = (2, 1, 1) if width >= 100 else (3, 2, 2)
    for share in shares:
        grid.add_column(ratio=share)
    plot_width = max(10, (width - 2) * shares[0] // sum(shares) - 4)
    side = max(10, width * shares[1] // sum(shares) - 5)
    planned = next((s for s in plan.steps if s.number == step.number), None)
    grid.add_row(_loss(step, plot_width), _memory(state, planned, side), _pace(step))
    return grid


def _loss(step: StepState, width: int) -> Panel:
    points = step.series.get("loss") or step.series.get("held_out_loss") or ()
    title = "loss"
    if points:
        low, high = min(y for _, y in points), max(y for _, y in points)
        title = f"loss {points[-1][1]:.3f} (from {high:.2f} to {low:.2f})"
    body = Text("\n".join(braille_plot(points, width, _PLOT_ROWS)), style="cyan", no_wrap=True)
    return Panel(body, title=title, title_align="left", height=_PLOT_ROWS + 2)


def _memory(state: RunState, planned: Step | None, width: int) -> Panel:
    is_gpu = state.gpu_gib is not None
    used = state.gpu_gib if is_gpu else state.rss_gib
    estimate = planned.estimate if planned is not None else None
    expected = (estimate.gpu_gib if is_gpu else estimate.ram_gib) if estimate is not None else None
    values = [value for _, value in state.memory]
    top = max([*values, expected.high if expected is not None else 0.0, 0.01])
    lines = [f"now       {gib(used)} GiB" if used is not None else "now       -"]
    lines.append(f"predicted {gib(expected.expected)} GiB" if expected is not None else "predicted -")
    lines += [f"peak      {gib(max(values))} GiB" if values else "peak      -", "", spark(values, width, top)]
    title = "GPU memory" if is_gpu else "memory"
    return Panel(Text("\n".join(lines), no_wrap=True), title=title, title_align="left", height=_PLOT_ROWS + 2)


def _pace(step: StepState) -> Panel:
    total = f" / {number(step.total)}" if step.total else ""
    lines = [f"{number(step.done)}{total} {step.unit}".strip(), printable(step.what)]
    for name, unit in (("tokens_per_second", "tokens/s"), ("learning_rate", "lr"), ("grad_norm", "grad norm")):
        if name in step.metrics:
            lines.append(f"{number(step.metrics[name])} {unit}")
    title = f"{step.number} {step.technique}" if step.number else "baseline"
    return Panel(Text("\n".join(lines), no_wrap=True), title=title, title_align="left", height=_PLOT_ROWS + 2)


def _results(state: RunState, width: int) -> Table:
    grid = Table.grid(expand=True)
    grid.add_column(ratio=1)
    grid.add_column(ratio=1)
    table = Table(box=None, padding=(0, 1, 0, 0), show_edge=False)
    measured = [step for step in state.steps if step.evaluation][-4:]
    table.add_column("metric", no_wrap=True)
    for step in measured:
        table.add_column(step.technique or "baseline", justify="right", no_wrap=True)
    names = list(dict.fromkeys(name for step in measured for name in step.evaluation))[: _LOG_ROWS - 1]
    for name in names:
        table.add_row(name.replace("_", " "), *(_figure(step.evaluation.get(name)) for step in measured))
    said = [*(f"{d.severity}: {d.text}" for d in state.diagnostics[-2:]), *state.log][-_LOG_ROWS:]
    log = Text("\n".join(printable(line)[: width // 2 - 4] for line in said), no_wrap=True)
    height = _LOG_ROWS + 2
    grid.add_row(
        Panel(table, title="measured", title_align="left", height=height),
        Panel(log, title="log", title_align="left", height=height),
    )
    return grid


def _figure(value: Any) -> str:
    return number(float(value)) if isinstance(value, int | float) else "-"


def _current(state: RunState) -> StepState | None:
    found = next((s for s in state.steps if s.number == state.current), None)
    return found or next((s for s in reversed(state.steps) if s.series or s.evaluation), None)
