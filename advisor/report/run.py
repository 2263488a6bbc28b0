"""A run's report as text, Markdown, HTML or JSON: what each step changed, and how well it was predicted."""

from __future__ import annotations

from advisor.domain.errors import Severity
from advisor.domain.run_report import Comparison, Prediction, RunReport, StepReport
from advisor.report.document import (
    Block,
    Bullet,
    Bullets,
    Code,
    Heading,
    Paragraph,
    Table,
    to_html,
    to_markdown,
    to_text,
)
from advisor.report.gates import gate_blocks
from advisor.report.pareto import pareto_blocks
from advisor.report.parity import parity_blocks
from advisor.report.units import duration, gib, number, percent, size

_SHOWN = (
    "held_out_loss", "held_out_perplexity", "accuracy", "answer_accuracy", "answer_f1", "answer_seconds",
    "generation", "prefill", "peak_memory", "bytes_on_disk",
)  # fmt: skip
"""First rows of the table, in this order; other metrics follow."""
_QUANTITIES = {
    "gpu_gib": "GPU memory",
    "ram_gib": "memory",
    "disk_gib": "disk",
    "seconds": "time",
    "evaluation_seconds": "time of its evaluation",
}
_TIMES = ("seconds", "evaluation_seconds")


def render_run(report: RunReport, form: str) -> str:
    """The report as `text`, `markdown`, `html` or `json`."""
    if form == "json":
        return report.model_dump_json(by_alias=True, indent=2) + "\n"
    blocks = run_blocks(report)
    if form == "markdown":
        return to_markdown(blocks)
    return to_html(blocks, f"Run {report.name}") if form == "html" else to_text(blocks)


def run_blocks(report: RunReport) -> list[Block]:
    """The report as blocks of the document model."""
    blocks: list[Block] = [Heading(f"Run {report.name}", 1), Paragraph(_summary(report))]
    if any(step.metrics for step in report.steps):
        blocks += [Heading("Before and after"), before_after(report)]
        blocks += _changes(report)
    blocks += pareto_blocks(report)
    blocks += parity_blocks(report)
    blocks += gate_blocks(report)
    predictions = _prediction_rows(report)
    if predictions:
        columns = ("step", "quantity", "predicted", "measured", "error")
        blocks += [Heading("Predicted and measured"), Table(columns, predictions, frozenset({2, 3, 4}))]
    blocks += _samples(report)
    blocks += _trouble(report)
    blocks += [Heading("Results"), _results(report)]
    if report.notes:
        blocks += [Heading("Beside the run"), Bullets(tuple(Bullet(note) for note in report.notes))]
    return blocks


def compare_blocks(report: RunReport) -> list[Block]:
    """What was measured of each model, one in a row, and its changes with their intervals."""
    measured = [step for step in report.steps if step.metrics]
    if not measured:
        return []
    columns = ("model", "perplexity", "against baseline", "tokens/s", "size")
    rows = tuple(
        (
            _title(step)[:28],
            _value(step, "held_out_perplexity"),
            next((change(c) for c in step.against_baseline if c.metric == "held_out_perplexity"), "-"),
            _value(step, "generation").removesuffix(" tokens/s"),
            _value(step, "bytes_on_disk"),
        )
        for step in measured
    )
    return [Table(columns, rows, frozenset({1, 2, 3, 4})), *_changes(report)]


def before_after(report: RunReport) -> Table:
    """One row per metric, one column per model: the baseline first, then what each step left."""
    measured = [step for step in report.steps if step.metrics]
    present = list(dict.fromkeys(metric.name for step in measured for metric in step.metrics))
    names = [name for name in _SHOWN if name in present]
    names += [name for name in present if name not in names]
    columns = ("metric", *(_title(step) for step in measured))
    rows = tuple((_metric_title(name), *(_value(step, name) for step in measured)) for name in names)
    return Table(columns, rows, frozenset(range(1, len(columns))))


def _summary(report: RunReport) -> str:
    done = sum(1 for step in report.steps if step.number and step.status in ("done", "skipped"))
    total = sum(1 for step in report.steps if step.number)
    text = f"{report.status.capitalize()}: {done} of {total} steps on {report.model} in {duration(report.seconds)}."
    return f"{text} {report.reason}".strip()


def _changes(report: RunReport) -> list[Block]:
    """The loss (or the first metric that can be paired) of each step against the baseline and the step before."""
    items = []
    for step in report.steps:
        pairs = [c for c in step.against_baseline if c.is_paired and c.metric != "held_out_loss"] or [
            c for c in step.against_baseline if c.is_paired
        ]
        if not pairs:
            continue
        before = {c.metric: c for c in step.against_previous if c.is_paired}
        is_first = step.number <= 1
        details = tuple(
            f"against the step before: {_metric_title(c.metric)} {change(before[c.metric])}"
            for c in pairs
            if c.metric in before and not is_first
        )
        text = "; ".join(f"{_metric_title(c.metric)} {change(c)}" for c in pairs)
        items.append(Bullet(f"{_title(step)} against the baseline: {text}", details))
    if not items:
        return []
    note = "Changes with 95 % intervals: paired bootstrap over the same held-out examples."
    return [Bullets(tuple(items)), Paragraph(note)]


def change(comparison: Comparison) -> str:
    found = comparison.difference
    if found is None:
        return "unknown"
    if comparison.is_relative:
        return f"{percent(found.expected)} [{percent(found.low)} to {percent(found.high)}]"
    scale, unit = (100, " points") if comparison.unit in ("", "share") else (1, f" {comparison.unit}")
    low, middle, high = (value * scale for value in (found.low, found.expected, found.high))
    return f"{middle:+.1f} [{low:+.1f} to {high:+.1f}]{unit}"


def _prediction_rows(report: RunReport) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (_title(step), _QUANTITIES[row.quantity], _predicted(row), _measured(row), _error(row))
        for step in report.steps
        for row in step.predictions
    )


def _predicted(row: Prediction) -> str:
    if row.predicted is None:
        return "-"
    show, unit = (duration, "") if row.quantity in _TIMES else (gib, " GiB")
    return f"{show(row.predicted.expected)} [{show(row.predicted.low)}-{show(row.predicted.high)}]{unit}"


def _measured(row: Prediction) -> str:
    if row.measured is None:
        return "-"
    return duration(row.measured) if row.quantity in _TIMES else f"{gib(row.measured)} GiB"


def _error(row: Prediction) -> str:
    return "-" if row.error is None else f"{row.error * 100:+.0f} %"


def _samples(report: RunReport) -> list[Block]:
    """The first prompt's answer by every model that gave one."""
    answers = [(step, step.samples[0]) for step in report.steps if step.samples]
    if len(answers) < 2:
        return []
    lines = [f"{_title(step)}: {sample.get('answer', '')}" for step, sample in answers]
    return [Heading("One prompt, each model"), Code("\n".join([answers[0][1].get("prompt", ""), *lines]))]


def _trouble(report: RunReport) -> list[Block]:
    found = [d for d in report.diagnostics if d.severity is not Severity.INFO]
    if not found:
        return []
    items = tuple(
        Bullet(
            f"{d.severity}: {d.text}", tuple(line for line in (d.because, f"try: {d.hint}" if d.hint else "") if line)
        )
        for d in found
    )
    return [Heading("Trouble"), Bullets(items)]


def _results(report: RunReport) -> Bullets:
    items = [
        Bullet(f"{_title(step)}: {a.kind}, {size(a.bytes)}, {report.folder}/{a.path}")
        for step in report.steps
        for a in step.artifacts
    ]
    return Bullets((*items, Bullet(f"run folder: {report.folder}")))


def _title(step: StepReport) -> str:
    mark = " (rolled back)" if step.status == "rolled-back" else ""
    return f"{step.number} {step.technique}{mark}" if step.number else "baseline"


def _metric_title(name: str) -> str:
    return name.replace("_", " ").replace("held out", "held-out")


def _value(step: StepReport, name: str) -> str:
    metric = next((m for m in step.metrics if m.name == name), None)
    if metric is None:
        return "-"
    if metric.unit == "bytes":
        return size(int(metric.value))
    if metric.unit == "share":
        return percent(metric.value, sign=False)
    unit = "" if metric.unit in ("", "nats") else f" {metric.unit}"
    return f"{number(metric.value)}{unit}"
