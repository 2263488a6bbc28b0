"""A plan as blocks: each step with what it starts from and what it is expected to cost."""

from __future__ import annotations

from advisor.domain.plan import BASE, MODELS, Plan, Step
from advisor.report.document import Block, Bullet, Bullets, Heading, Paragraph, Table
from advisor.report.units import duration_range, gib_range


def plan_blocks(plan: Plan) -> list[Block]:
    """What would be executed, in order."""
    columns = ("step", "technique", "from", "leaves", "GPU GiB", "memory GiB", "disk GiB", "time")
    rows = tuple(_row(step) for step in plan.steps)
    threads = f"{plan.threads} threads" if plan.threads else "all cores"
    blocks: list[Block] = [
        Heading(f"Plan {plan.name}", 1),
        Paragraph(f"On {plan.model.path}; seed {plan.seed}, {threads}. Every model is measured on the held-out set."),
        Table(columns, rows, frozenset({4, 5, 6, 7})),
        Heading("Settings"),
        Bullets(tuple(_settings(step) for step in plan.steps)),
    ]
    if plan.notes:
        blocks += [Heading("Beside the run"), Bullets(tuple(Bullet(note) for note in plan.notes))]
    return blocks


def _row(step: Step) -> tuple[str, ...]:
    cost = step.estimate
    return (
        str(step.number),
        step.technique,
        ", ".join(f"{role} of {_origin(origin)}" for role, origin in step.inputs.items()),
        str(step.produces),
        gib_range(cost.gpu_gib),
        gib_range(cost.ram_gib),
        gib_range(cost.disk_gib),
        duration_range(cost.seconds),
    )


def _settings(step: Step) -> Bullet:
    known = ", ".join(f"{key}: {value}" for key, value in step.config.items()) or "its defaults"
    gate = f"stops when held-out loss rises by more than {step.max_regression:.1%}" if step.max_regression else ""
    return Bullet(f"{step.number} {step.technique} ({step.executor}): {known}", (gate,) if gate else ())


def _origin(origin: str) -> str:
    return "the plan" if origin == BASE or origin.startswith(MODELS) else f"step {origin}"
