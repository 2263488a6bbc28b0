"""The strip of steps: what is done, what runs and how far, what is to come."""

from __future__ import annotations

from rich.text import Text

from advisor.domain.run import RunState, StepState

MARKS = {
    "done": "✓",
    "skipped": "✓",
    "running": "▶",
    "evaluating": "▶",
    "failed": "✗",
    "stopped": "■",
    "pending": "○",
    "rolled-back": "↩",
}
STYLES = {
    "done": "green",
    "skipped": "green",
    "running": "bold",
    "evaluating": "bold",
    "failed": "bold red",
    "stopped": "yellow",
    "rolled-back": "yellow",
}


def strip_text(state: RunState) -> Text:
    """All steps in one line, the running one with its share done."""
    text = Text(no_wrap=True, overflow="ellipsis")
    for number, step in enumerate(state.steps):
        if number:
            text.append(" ── ", "dim")
        text.append(f"{MARKS[step.status]} {label(step)}", STYLES.get(step.status, "dim"))
    return text


def label(step: StepState) -> str:
    """`1 lora 43 %`, `baseline`, `2 adapter-merge measuring`."""
    name = "baseline" if step.number == 0 else f"{step.number} {step.technique}"
    if step.status == "evaluating":
        return f"{name} measuring"
    if step.status == "running" and step.fraction is not None:
        return f"{name} {step.fraction * 100:.0f} %"
    return name
