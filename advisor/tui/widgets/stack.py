"""A stack as short lines and as table rows, with memory against what is free."""

from __future__ import annotations

from advisor.domain.facts import Facts
from advisor.domain.recommendation import Recommendation, StackEntry
from advisor.report.units import duration, gib, gib_range, quality

FULL, EMPTY = "▓", "░"


def bar(used: float, available: float | None, width: int = 8) -> str:
    """`used` of `available` as blocks; empty when it is not known what is available."""
    if not available:
        return ""
    filled = min(width, max(1 if used > 0 else 0, round(width * used / available)))
    return FULL * filled + EMPTY * (width - filled)


def memory_cell(entry: StackEntry, facts: Facts) -> str:
    """The memory that limits the step: the GPU's where there is one, else the host's."""
    estimate = entry.estimate
    if estimate.gpu_gib is not None and estimate.gpu_gib.high > 0 and facts.gpu_gib:
        return f"{gib_range(estimate.gpu_gib)} {bar(estimate.gpu_gib.expected, facts.gpu_gib)}"
    if estimate.ram_gib is not None:
        return f"{gib_range(estimate.ram_gib)} RAM {bar(estimate.ram_gib.expected, facts.ram_gib)}"
    return "-"


def table_row(number: int, entry: StackEntry, facts: Facts) -> tuple[str, ...]:
    """One row: number, technique, memory, time, whether it runs here, what it acts on, quality."""
    seconds = duration(entry.estimate.seconds.expected) if entry.estimate.seconds else "-"
    change = quality(entry.estimate.quality.range, entry.estimate.quality.unit)
    runs = ("not yet" if entry.not_yet else "yes") if entry.executable else "advice"
    return (str(number), entry.technique, memory_cell(entry, facts), seconds, runs, entry.acts_on.value, change)


def so_far_lines(recommendation: Recommendation | None, facts: Facts | None) -> list[str]:
    """The stack in as few columns as it takes, for the pane beside the questions."""
    if recommendation is None or facts is None:
        return ["Answer the first question."]
    if not recommendation.feasible:
        return [
            "Nothing is feasible with these answers.",
            *(f"{r.technique}: {r.because}" for r in recommendation.rejected[:3]),
        ]
    lines = []
    for number, entry in enumerate(recommendation.stack, 1):
        memory = entry.estimate.gpu_gib if facts.has_gpu else entry.estimate.ram_gib
        lines.append(f"{number} {entry.technique:<18} {gib(memory.expected) + ' GiB' if memory else ''}")
    serious = [w for w in recommendation.warnings if w.severity.value != "info"]
    if serious:
        lines.append(f"{len(serious)} warning{'s' if len(serious) > 1 else ''}")
    return lines
