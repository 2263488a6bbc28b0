"""What gates decided in a run: which steps were tried again milder, rolled back, or kept by hand."""

from __future__ import annotations

from advisor.domain.run_report import RunReport, StepReport
from advisor.report.document import Block, Bullet, Bullets, Heading


def gate_blocks(report: RunReport) -> list[Block]:
    """A list of the steps that a gate or a person decided about; nothing when there are none."""
    items = tuple(_item(step) for step in report.steps if step.attempts or step.status == "rolled-back")
    kept = tuple(Bullet(d.text) for d in report.diagnostics if d.code == "kept")
    return [Heading("Gates"), Bullets(items + kept)] if items or kept else []


def _item(step: StepReport) -> Bullet:
    name = f"{step.number} {step.technique}"
    tried = tuple(f"tried: {attempt.reason}" for attempt in step.attempts)
    if step.status == "rolled-back":
        return Bullet(f"{name} counts for nothing: {step.reason or 'rolled back'}", tried)
    settings = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in step.settings.items())
    return Bullet(f"{name} was done with {settings or 'the settings of the plan'}", tried)
