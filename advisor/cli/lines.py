"""Two plain views of a run: sentences on stderr for logs and screen readers, JSON lines on stdout for programs."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from advisor.domain.event import Event, StepFinished, StepProgress
    from advisor.domain.run import RunState

EVERY = 5.0
"""Seconds between two lines of progress."""


class JsonLines:
    """Each event as the run folder has it."""

    def __enter__(self) -> JsonLines:
        return self

    def __exit__(self, *exception: object) -> None:
        sys.stdout.flush()

    def show(self, event: Event, state: RunState) -> None:
        sys.stdout.write(event.model_dump_json() + "\n")
        sys.stdout.flush()

    def say(self, text: str) -> None:
        print(text, file=sys.stderr)


class PlainLines:
    """One sentence per thing that happened; progress at most every few seconds."""

    def __init__(self) -> None:
        self._last = 0.0

    def __enter__(self) -> PlainLines:
        return self

    def __exit__(self, *exception: object) -> None:
        sys.stderr.flush()

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def show(self, event: Event, state: RunState) -> None:
        from advisor.report.document import printable

        line = self._line(event, state)
        if line:
            self.say(printable(line))

    def _line(self, event: Event, state: RunState) -> str:
        match event.type:
            case "run.started":
                return f"{'resumed' if event.resumed else 'started'}: {' -> '.join(event.steps)}"
            case "step.started":
                return f"{step_name(state, event.step)}: {'measuring' if event.phase == 'evaluate' else 'working'}"
            case "step.progress":
                return self._progress(event, state)
            case "artifact.written":
                from advisor.report.units import size

                return f"{step_name(state, event.step)}: wrote {event.kind}, {size(event.bytes)}, {event.path}"
            case "diagnostic.raised":
                return f"{event.severity}: {event.text}" + (f" (try: {event.hint})" if event.hint else "")
            case "log.written":
                return event.text
            case "step.finished":
                return finished_line(event, state)
            case "run.finished":
                return f"{event.status}" + (f": {event.reason}" if event.reason else "")
            case _:
                return ""

    def _progress(self, event: StepProgress, state: RunState) -> str:
        now = time.monotonic()
        if now - self._last < EVERY and event.done != event.total:
            return ""
        self._last = now
        return f"{step_name(state, event.step)}: {progress_text(event, state)}"


def progress_text(event: StepProgress, state: RunState) -> str:
    """`120 of 400 steps, loss 1.52, 840 tokens/s, 3 min left`."""
    from advisor.report.units import duration, number

    of = f" of {number(event.total)}" if event.total else ""
    parts = [f"{event.what} {number(event.done)}{of} {event.unit}".strip()]
    step = next((s for s in state.steps if s.number == event.step), None)
    metrics = step.metrics if step is not None and event.unit == "steps" else {}
    if "loss" in metrics:
        parts.append(f"loss {metrics['loss']:.3f}")
    if "tokens_per_second" in metrics:
        parts.append(f"{number(metrics['tokens_per_second'])} tokens/s")
    if state.seconds_left is not None and event.done != event.total:
        parts.append(f"{duration(state.seconds_left)} left")
    return ", ".join(parts)


def finished_line(event: StepFinished, state: RunState) -> str:
    """How a step or its evaluation ended, with its main figures."""
    from advisor.report.units import duration, number

    name = step_name(state, event.step)
    if event.status == "skipped":
        return f"{name}: {'measured' if event.phase == 'evaluate' else 'done'} before, and verified"
    if event.status in ("failed", "stopped", "rolled-back", "retried"):
        return f"{name}: {event.status}: {event.reason}"
    if event.phase == "evaluate":
        shown = [f"{key.replace('_', ' ')} {number(value)}" for key, value in list(event.metrics.items())[:4]]
        return f"{name}: measured: {', '.join(shown)}"
    memory = f", at most {event.peak_rss_gib:.2f} GiB" if event.peak_rss_gib else ""
    return f"{name}: done in {duration(event.seconds)}{memory}"


def step_name(state: RunState, number: int | None) -> str:
    """`1 lora`, or `baseline`."""
    step = next((s for s in state.steps if s.number == number), None)
    if not number:
        return "baseline"
    return f"{number} {step.technique}" if step is not None else str(number)
