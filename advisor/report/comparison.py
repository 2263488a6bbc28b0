"""A comparison of arms as text, Markdown or JSON."""

from __future__ import annotations

from advisor.domain.comparison import ArmResult, CompareReport
from advisor.domain.estimate import Range
from advisor.report.document import Block, Bullet, Bullets, Heading, Paragraph, Table, to_markdown, to_text
from advisor.report.units import duration, number, percent

COLUMNS = (
    "arm", "accuracy", "against the bare model", "grounded", "s per answer", "peak memory", "per thousand", "made in",
)  # fmt: skip


def render_comparison(report: CompareReport, form: str) -> str:
    """The report as `text`, `markdown` or `json`."""
    if form == "json":
        return report.model_dump_json(by_alias=True, indent=2) + "\n"
    blocks = comparison_blocks(report)
    return to_markdown(blocks) if form == "markdown" else to_text(blocks)


def comparison_blocks(report: CompareReport) -> list[Block]:
    """Verdict first, then the table, then what was left out and why."""
    rows = tuple(_row(arm, report) for arm in report.arms if arm.accuracy is not None)
    missing = tuple(
        Bullet(f"{arm.name}: {arm.status}" + (f": {arm.reason}" if arm.reason else ""))
        for arm in report.arms
        if arm.accuracy is None
    )
    about = (
        f"{report.questions} held-out questions to {report.model}, the same for every arm; {duration(report.seconds)} "
        f"of {number(report.budget_minutes)} min. The rules recommended: {report.recommended}."
    )
    blocks: list[Block] = [Heading("Compared", 1), Paragraph(report.verdict), Paragraph(about)]
    if rows:
        blocks.append(Table(COLUMNS, rows, frozenset(range(1, len(COLUMNS)))))
        blocks.append(Paragraph("Changes in points with 95 % intervals: paired bootstrap over the same questions."))
    if missing:
        blocks += [Heading("Not measured"), Bullets(missing)]
    if report.folder:
        blocks.append(Bullets((Bullet(f"folder: {report.folder}"),)))
    return blocks


def _row(arm: ArmResult, report: CompareReport) -> tuple[str, ...]:
    mark = " (best)" if arm.name == report.best else ""
    return (
        arm.name + mark,
        _share(arm.accuracy),
        _points(arm.against_base),
        _share(arm.groundedness),
        "-" if arm.seconds is None else number(arm.seconds),
        "-" if arm.memory_gib is None else f"{arm.memory_gib:.2f} GiB",
        _cost(arm),
        duration(arm.made_in) if arm.made_in else "-",
    )


def _cost(arm: ArmResult) -> str:
    if arm.per_thousand_hours is None:
        return "-"
    hours = duration(3600 * arm.per_thousand_hours)
    return hours if arm.per_thousand_price is None else f"{arm.per_thousand_price:.2f} ({hours})"


def _share(value: float | None) -> str:
    return "-" if value is None else percent(value, sign=False)


def _points(found: Range | None) -> str:
    if found is None:
        return "-"
    return f"{100 * found.expected:+.1f} [{100 * found.low:+.1f} to {100 * found.high:+.1f}]"
