"""advisor/report/pareto.py and answers.py: the front, the plot in characters and as SVG, and answers compared."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from advisor.domain.run import Metric
from advisor.domain.run_report import RunReport, StepReport
from advisor.report.answers import likeness, marked
from advisor.report.pareto import pareto_blocks, plot_lines, points, to_svg
from advisor.report.run import render_run

MODELS = [(270e6, 20.0, 20.0), (280e6, 10.0, 15.0), (150e6, 10.5, 25.0), (90e6, 30.0, 30.0), (300e6, 25.0, 10.0)]


def report(**changes: str) -> RunReport:
    """A baseline and four steps; the last is beaten in everything."""
    steps = []
    for n, (size, quality, speed) in enumerate(MODELS):
        values = {"held_out_perplexity": quality, "bytes_on_disk": size, "generation": speed}
        metrics = tuple(Metric(name=name, value=value) for name, value in values.items())
        status = changes.get(f"s{n}", "done")
        steps.append(StepReport(number=n, technique=f"s<{n}>", status=status, metrics=metrics))  # type: ignore[arg-type]
    return RunReport(name="x", status="done", steps=tuple(steps))


def test_the_front() -> None:
    """A model beaten in size, speed and quality together is off the front; a rolled back one beats nobody."""
    assert [p.number for p in points(report()) if p.is_front] == [1, 2, 3]
    assert [p.number for p in points(report(s2="rolled-back")) if p.is_front] == [0, 1, 3]


def test_every_model_stands_in_the_plot() -> None:
    """At any size each step's number is there, also where two models are alike, and no line is too wide."""
    found = points(report())
    for width, height in ((40, 8), (100, 20)):
        lines = plot_lines(found, width, height)
        assert all(len(line) <= width for line in lines)
        body = "".join(lines[1:-2])
        assert all(mark in body for mark in ("0", "1*", "2*", "3*", "4"))
    assert "".join(plot_lines(found[:1] * 2, 40, 8)).count("0") >= 2


def test_the_picture_is_well_formed() -> None:
    """The SVG parses, names every model, and markup in a name stays text."""
    root = ET.fromstring(to_svg(points(report())))
    texts = [element.text or "" for element in root.iter("text")]
    assert "3 s<3>" in texts
    assert len(list(root.iter("circle"))) == 5


def test_every_form_of_the_report_has_it() -> None:
    """Plot in text and Markdown, picture in HTML; one model alone is no comparison."""
    assert "on the front" in render_run(report(), "text")
    assert "on the front" in render_run(report(), "markdown")
    assert "<svg" in render_run(report(), "html")
    assert pareto_blocks(RunReport(name="x", status="done", steps=report().steps[:1])) == []


def test_differences_are_marked_word_by_word() -> None:
    """The pieces make the answer again; what is not in the reference is marked."""
    pieces = marked("It returns a list.", "It returns a new list of items.")
    assert "".join(text for text, _ in pieces) == "It returns a new list of items."
    assert [text.strip() for text, differs in pieces if differs] == ["new list of items."]
    assert likeness("a b", "a  b") == "the same as the baseline"
    assert likeness("a b c", "a b d e") == "2 of 4 words as the baseline"
