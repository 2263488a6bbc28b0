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
        Paragraph(f"On {plan.model.path}; seed {plan.seed}, {threads}. {_measuring(plan)}"),
        Table(columns, rows, frozenset({4, 5, 6, 7})),
        Heading("Settings"),
        Bullets(tuple(_settings(plan, step) for step in plan.steps)),
    ]
    if plan.max_regression is not None:
        text = f"its last step {_gate(plan.max_regression, plan.on_regression)} against the baseline"
        blocks.append(Paragraph(f"The chain: {text}."))
    if plan.notes:
        blocks += [Heading("Beside the run"), Bullets(tuple(Bullet(note) for note in plan.notes))]
    return blocks


def _measuring(plan: Plan) -> str:
    """That every model is measured, and how long that is expected to take."""
    seconds = plan.evaluation.seconds
    told = f": {duration_range(seconds)} each time" if seconds is not None else ""
    return f"Every model is measured on the held-out set{told}."


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


def _settings(plan: Plan, step: Step) -> Bullet:
    known = ", ".join(f"{key}: {value}" for key, value in step.config.items()) or "its defaults"
    gate = _gate(step.max_regression, step.on_regression or plan.on_regression)
    return Bullet(f"{step.number} {step.technique} ({step.executor}): {known}", (gate,) if gate else ())


def _gate(limit: float | None, action: str) -> str:
    """What the plan says of a rise of the held-out loss."""
    word = {"stop": "stops", "roll-back": "is rolled back", "retry-milder": "is done again, milder,"}[action]
    return f"{word} when held-out loss rises by more than {limit:.1%}" if limit is not None else ""


def _origin(origin: str) -> str:
    return "the plan" if origin == BASE or origin.startswith(MODELS) else f"step {origin}"
