"""The running step in words, and the table of what was measured."""

from __future__ import annotations

from advisor.domain.plan import Plan, Step
from advisor.domain.run import RunState, StepState
from advisor.report.units import duration, gib, number, percent

SHOWN = (
    ("held_out_perplexity", "held-out ppl"),
    ("held_out_loss", "held-out loss"),
    ("accuracy", "accuracy"),
    ("bytes_on_disk", "MB on disk"),
    ("generation", "tokens/s"),
    ("prefill", "prefill t/s"),
    ("peak_memory", "peak GiB"),
)
"""Metrics of an evaluation that the run's table shows, in this order."""


def step_lines(state: RunState, plan: Plan, now: float) -> list[str]:
    """Progress, throughput, memory against prediction, time left."""
    if state.current is None:
        return [f"run {state.status}", *([state.reason] if state.reason else []), *gained_lines(state)]
    current = next((s for s in state.steps if s.number == state.current), None)
    if current is None:
        return []
    step = next((s for s in plan.steps if s.number == current.number), None)
    total = f" / {number(current.total)}" if current.total else ""
    lines = [f"{'measuring' if current.status == 'evaluating' else current.technique or 'baseline'}"]
    if current.done or current.total:
        lines.append(f"{number(current.done)}{total} {current.unit} {current.what}".rstrip())
    for name, text in (("tokens_per_second", "tokens/s"), ("loss", "loss"), ("held_out_loss", "held-out loss")):
        if name in current.metrics:
            lines.append(f"{text} {number(current.metrics[name])}")
    if "learning_rate" in current.metrics:
        norm = current.metrics.get("grad_norm")
        lines.append(f"lr {current.metrics['learning_rate']:.2e}" + (f"  grad {norm:.2g}" if norm is not None else ""))
    lines.append(f"memory {_memory(state)} GiB, predicted {_predicted_text(step)}")
    left = time_left(current, now)
    if left is not None:
        lines.append(f"step: about {duration(left)} left")
    return lines


def gained_lines(state: RunState) -> list[str]:
    """What the last measured step is against the baseline."""
    measured = [step for step in state.steps if step.evaluation]
    if len(measured) < 2:
        return []
    lines = ["", f"{measured[-1].technique} against the baseline"]
    for name, text in SHOWN[:4]:
        before, after = measured[0].evaluation.get(name), measured[-1].evaluation.get(name)
        if isinstance(before, int | float) and isinstance(after, int | float) and before:
            change = f"{100 * (after - before):+.1f} points" if name == "accuracy" else percent(after / before - 1)
            lines.append(f"{text} {change}")
    return [*lines, "", "v shows the report"]


def predicted_gib(step: Step | None, is_on_gpu: bool) -> float | None:
    """The memory the plan expected of a step, on the device that is sampled."""
    if step is None:
        return None
    estimate = step.estimate.gpu_gib if is_on_gpu else step.estimate.ram_gib
    return estimate.expected if estimate is not None else None


def _predicted_text(step: Step | None) -> str:
    value = predicted_gib(step, False)
    return gib(value) if value else "-"


def _memory(state: RunState) -> str:
    value = state.gpu_gib if state.gpu_gib else state.rss_gib
    return gib(value) if value is not None else "-"


def time_left(step: StepState, now: float) -> float | None:
    """Seconds to the step's end at its pace so far; None before there is a pace."""
    if step.fraction is None or step.fraction < 0.02 or step.started is None:
        return None
    return (now - step.started) * (1 - step.fraction) / step.fraction


def metric_rows(state: RunState) -> list[tuple[str, ...]]:
    """One row per metric, one column per step that was measured, the baseline first."""
    rows = []
    for name, text in SHOWN:
        cells = [_cell(name, step.evaluation.get(name)) for step in state.steps]
        if any(cell != "" for cell in cells):
            rows.append((text, *cells))
    return rows


def _cell(name: str, value: object) -> str:
    if not isinstance(value, int | float):
        return ""
    if name == "bytes_on_disk":
        return f"{value / 1e6:.1f}"
    if name == "accuracy":
        return f"{100 * value:.1f} %"
    return number(float(f"{value:.4g}"))
