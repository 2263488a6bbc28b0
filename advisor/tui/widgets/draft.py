"""A draft's steps as table rows, and one of them in full: why here, at what cost, with which settings."""

from __future__ import annotations

from advisor.domain.estimate import StepEstimate
from advisor.domain.facts import Facts
from advisor.domain.recommendation import StackEntry
from advisor.report.knowledge import wrapped
from advisor.report.units import duration, duration_range, gib, gib_range
from advisor.runs.draft import Draft
from advisor.tui.widgets.stack import bar

COLUMNS = ("#", "step", "memory GiB", "time", "quality", "runs")
CHANGED = "*"
UNITS = {"points": "pts"}
BAR = 6
"""Blocks of the memory bar: as many as leave room for the other columns at 80."""


def draft_row(number: int, entry: StackEntry, is_changed: bool, facts: Facts) -> tuple[str, ...]:
    """One row; a star marks settings of one's own."""
    estimate = entry.estimate
    seconds = duration(estimate.seconds.expected) if estimate.seconds else "-"
    change = _short_quality(estimate)
    name = entry.technique + (CHANGED if is_changed else "")
    runs = ("not yet" if entry.not_yet else "here") if entry.executable else "advice"
    return (str(number), name, _memory(estimate, facts), seconds, change, runs)


def _memory(estimate: StepEstimate, facts: Facts) -> str:
    """The memory that limits the step against what is free; an exclamation mark where it is more."""
    if estimate.gpu_gib is not None and estimate.gpu_gib.high > 0 and facts.gpu_gib:
        used, free, kind = estimate.gpu_gib.expected, facts.gpu_gib, "GPU"
    elif estimate.ram_gib is not None:
        used, free, kind = estimate.ram_gib.expected, facts.ram_gib or 0.0, "RAM"
    else:
        return "-"
    return f"{gib(used):>5} {bar(used, free, BAR)} {kind}{'!' if free and used > free else ''}"


def _short_quality(estimate: StepEstimate) -> str:
    """The range with its unit in short; the step in full says the rest."""
    known = estimate.quality.range
    if known is None:
        return "unknown"
    if known.low == known.high == 0:
        return "="
    unit = estimate.quality.unit.split(" ")[0]
    return f"{known.low:+.3g}..{known.high:+.3g} {UNITS.get(unit, unit)}".rstrip()


def step_lines(draft: Draft, place: int, width: int) -> list[str]:
    """Everything about the step at `place`."""
    judged = draft.judged
    if not 0 <= place < len(judged.stack):
        return ["The stack is empty: a adds a technique."]
    entry, step = judged.stack[place], draft.steps[place]
    technique = draft.situation.knowledge.technique(entry.technique)
    lines = [
        *wrapped("", f"{place + 1} {technique.name} ({technique.id})", width),
        *wrapped("  ", technique.summary, width),
    ]
    if entry.executable and entry.not_yet:
        lines += wrapped("  does not run yet: ", entry.not_yet, width)
    if not technique.is_executable:
        lines += wrapped("  not run here: ", technique.why_not or "", width)
    for title, items in (
        ("Why", [reason.text for reason in entry.because]),
        (
            "Order",
            [
                f"{p.first} -> {p.then}: {p.verdict}. {p.because}"
                for p in judged.order
                if technique.id in (p.first, p.then)
            ],
        ),
        ("Costs", _costs(entry.estimate)),
        (
            "Settings",
            [f"{key}: {value}{' (yours)' if key in step.settings else ''}" for key, value in entry.config.items()],
        ),
    ):
        if items:
            lines += ["", title, *(line for item in items for line in wrapped("  - ", item, width))]
    return lines


def _costs(estimate: StepEstimate) -> list[str]:
    costs = [
        f"{name}: {gib_range(value)} GiB"
        for name, value in (("GPU", estimate.gpu_gib), ("RAM", estimate.ram_gib), ("disk", estimate.disk_gib))
        if value is not None
    ]
    if estimate.terms is not None:
        parts = ", ".join(f"{name} {gib(size)}" for name, size in estimate.terms.model_dump().items() if size >= 0.01)
        costs.append(f"of which {parts}")
    if estimate.seconds is not None:
        costs.append(f"time: {duration_range(estimate.seconds)}")
    if estimate.quality.text:
        costs.append(f"quality: {estimate.quality.text}")
    return costs
