"""Size, speed and quality of every model of a run: one table and one plot, for text, Markdown, HTML and the app.

A model is on the front when no other is at least as small, as fast and as good, and better in one of them. Rolled back
steps are shown and put no other off the front.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, isfinite, log

from advisor.domain.run_report import RunReport, StepReport
from advisor.report.document import Block, Figure, Heading, Paragraph, Table
from advisor.report.units import number, size

WIDTH, HEIGHT = 60, 12
_SVG = (640, 360)
_EDGE = 56


@dataclass(frozen=True)
class Point:
    """One measured model. `quality`: held-out perplexity, lower is better; `speed`: tokens a second or None."""

    number: int
    name: str
    size: float
    quality: float
    speed: float | None
    counts: bool
    is_front: bool = False


def points(report: RunReport) -> tuple[Point, ...]:
    """The models whose size and quality were measured, the front marked."""
    found = [point for step in report.steps if (point := _point(step)) is not None]
    rivals = [point for point in found if point.counts]
    return tuple(
        Point(
            p.number, p.name, p.size, p.quality, p.speed, p.counts, p.counts and not any(_beats(o, p) for o in rivals)
        )
        for p in found
    )


def pareto_blocks(report: RunReport) -> list[Block]:
    """The table and the plot; nothing with fewer than two models."""
    found = points(report)
    if len(found) < 2:
        return []
    rows = tuple(
        (p.name, size(int(p.size)), f"{number(p.speed)} tokens/s" if p.speed else "-", number(p.quality), _mark(p))
        for p in found
    )
    columns = ("model", "size", "speed", "perplexity", "front")
    note = "Front: no other model is at least as small, as fast and as good, and better in one of them."
    return [
        Heading("Size, speed, quality"),
        Table(columns, rows, frozenset({1, 2, 3})),
        Figure("\n".join(plot_lines(found, WIDTH, HEIGHT)), to_svg(found), "Perplexity against size"),
        Paragraph(note),
    ]


def plot_lines(found: tuple[Point, ...], width: int, height: int) -> list[str]:
    """The plot in characters: the number of each step at its place, `*` after those on the front."""
    height, left = max(3, height - 3), 11
    width = max(12, width - left - 1)
    grid = [[" "] * width for _ in range(height)]
    (x0, x1), (y0, y1) = _range([p.size for p in found]), _range([log(p.quality) for p in found])
    for point in found:
        text = f"{point.number}{'*' if point.is_front else ''}"
        column = min(width - len(text), round((point.size - x0) / (x1 - x0) * (width - len(text))))
        row = round((y1 - log(point.quality)) / (y1 - y0) * (height - 1))
        # Two at one place: the later one stands beside it.
        while column + len(text) < width and any(c != " " for c in grid[row][column : column + len(text)]):
            column += 1
        grid[row][column : column + len(text)] = text
    labels = {0: f"{exp(y1):.4g}", height - 1: f"{exp(y0):.4g}"}
    lines = [f"{labels.get(n, ''):>{left - 1}} |{''.join(row).rstrip()}" for n, row in enumerate(grid)]
    ends = (size(int(x0)), size(int(x1)))
    axis = f"{' ' * left}{ends[0]}{' ' * max(1, width - len(ends[0]) - len(ends[1]))}{ends[1]}"
    return ["perplexity (log scale); * on the front", *lines, f"{' ' * (left - 1)}+{'-' * width}", axis]


def to_svg(found: tuple[Point, ...]) -> str:
    """The plot as SVG: circles grow with speed, those on the front are filled and joined."""
    width, height = _SVG
    (x0, x1), (y0, y1) = _range([p.size for p in found]), _range([log(p.quality) for p in found])
    fastest = max((p.speed or 0.0 for p in found), default=0.0) or 1.0

    def place(point: Point) -> tuple[float, float]:
        x = _EDGE + (point.size - x0) / (x1 - x0) * (width - 2 * _EDGE)
        return round(x, 1), round(_EDGE / 2 + (y1 - log(point.quality)) / (y1 - y0) * (height - 1.6 * _EDGE), 1)

    front = sorted((p for p in found if p.is_front), key=lambda p: p.size)
    path = " ".join(f"{x},{y}" for x, y in map(place, front))
    parts = [f'<polyline points="{path}" fill="none" stroke="currentColor" stroke-dasharray="4 4"/>']
    for point in found:
        x, y = place(point)
        radius = round(5 + 9 * ((point.speed or 0.0) / fastest), 1)
        fill = "currentColor" if point.is_front else "none"
        parts.append(
            f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{fill}" fill-opacity="0.35" stroke="currentColor"/>'
        )
        anchor = "end" if x > width / 2 else "start"
        shift = -radius - 4 if anchor == "end" else radius + 4
        parts.append(f'<text x="{x + shift}" y="{y + 4}" text-anchor="{anchor}">{_escape(point.name)}</text>')
    base = height - 0.6 * _EDGE
    parts.append(f'<path d="M{_EDGE / 2},8V{base}H{width - 8}" fill="none" stroke="currentColor"/>')
    ends = [(_EDGE, "start", size(int(x0))), (width - _EDGE, "end", f"{size(int(x1))} on disk")]
    parts += [f'<text x="{x}" y="{height - 10}" text-anchor="{anchor}">{text}</text>' for x, anchor, text in ends]
    parts += [f'<text x="4" y="{y}" font-size="11">{exp(v):.4g}</text>' for y, v in ((24, y1), (base - 8, y0))]
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" font-family="inherit" font-size="13" fill="currentColor">'
        f"<title>Perplexity against size; circles grow with speed, the front is filled</title>{''.join(parts)}</svg>"
    )


def _point(step: StepReport) -> Point | None:
    values = {metric.name: metric.value for metric in step.metrics}
    quality = values.get("held_out_perplexity", 0.0)
    if "bytes_on_disk" not in values or quality <= 0 or not isfinite(quality):
        return None
    name = f"{step.number} {step.technique}" if step.number else "0 baseline"
    is_back = step.status == "rolled-back"
    return Point(
        step.number,
        f"{name} (rolled back)" if is_back else name,
        values["bytes_on_disk"],
        quality,
        values.get("generation"),
        not is_back,
    )


def _beats(other: Point, point: Point) -> bool:
    """At least as good in everything that both have, and better in one."""
    pairs = [(-other.size, -point.size), (-other.quality, -point.quality)]
    if other.speed is not None and point.speed is not None:
        pairs.append((other.speed, point.speed))
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


def _range(values: list[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 1, high + 1)


def _mark(point: Point) -> str:
    return "*" if point.is_front else ""


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
