"""advisor/runs/report.py and advisor/report/run.py: what a run's report says, and that its forms agree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from advisor.domain.estimate import Range, StepEstimate
from advisor.files import read_plan
from advisor.report.run import render_run
from advisor.runs.report import report, run_report, write_report
from advisor.runs.state import load_state
from tests.toy_runs import make_plan, make_run, supervise


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two steps, the first with an estimate."""
    plan = make_plan({"loss": 1.0}, {"loss": 1.03})
    cost = StepEstimate(seconds=Range(low=1, expected=2, high=3), ram_gib=Range(low=0.01, expected=0.02, high=0.03))
    first = plan.steps[0].model_copy(update={"estimate": cost})
    run = make_run(tmp_path_factory.mktemp("report") / "run", plan.model_copy(update={"steps": (first, plan.steps[1])}))
    assert supervise(run)[0] == 0
    return run


def test_before_and_after(finished: Path) -> None:
    """Each step is compared with the baseline and with the step before it, paired."""
    report = run_report(finished)
    assert report.status == "done"
    assert [s.technique for s in report.steps] == ["baseline", "lora", "merge-2"]
    (against_baseline,) = report.steps[2].against_baseline
    (against_previous,) = report.steps[2].against_previous
    assert against_baseline.difference is not None
    assert against_previous.difference is not None
    assert against_baseline.is_paired
    assert against_baseline.difference.expected == pytest.approx(1.03 / 2 - 1)
    assert against_previous.difference.expected == pytest.approx(0.03)
    assert report.result == str(finished / "steps/02-merge-2/artifact")


def test_predicted_and_measured(finished: Path) -> None:
    """Memory and time measured stand beside what was predicted, with the error."""
    rows = {row.quantity: row for row in run_report(finished).steps[1].predictions}
    assert rows["seconds"].predicted is not None
    assert rows["seconds"].measured is not None
    assert rows["seconds"].error == pytest.approx((2 - rows["seconds"].measured) / rows["seconds"].measured)
    assert rows["ram_gib"].measured is not None
    assert rows["ram_gib"].measured > 0


def test_evaluations_are_predicted_and_measured_too(finished: Path) -> None:
    """The baseline and each step that was measured say how long that was expected to take, and took."""
    plan, state = read_plan(str(finished / "plan.yaml")), load_state(finished)
    expected = Range(low=1, expected=2, high=4)
    evaluation = plan.evaluation.model_copy(update={"seconds": expected})
    found = report(plan.model_copy(update={"evaluation": evaluation}), state, finished)
    for step in found.steps:
        (row,) = (row for row in step.predictions if row.quantity == "evaluation_seconds")
        assert (row.predicted, row.measured) == (expected, pytest.approx(step.evaluation_seconds, abs=0.001))
    assert "time of its evaluation" in render_run(found, "text")


def test_files_and_forms_agree(finished: Path) -> None:
    """report.json is the report, report.md the same in Markdown; every form names the results and the interval."""
    report = write_report(finished)
    assert json.loads((finished / "report.json").read_text())["schema"] == 1
    for text in ((finished / "report.md").read_text(), render_run(report, "text"), render_run(report, "html")):
        assert "steps/02-merge-2/artifact" in text
        assert "-48.5 %" in text
        assert "95 %" in text


def test_same_files_same_report(finished: Path) -> None:
    """Computing it twice gives the same bytes."""
    assert render_run(run_report(finished), "json") == render_run(run_report(finished), "json")


def test_failed_run_has_a_report(tmp_path: Path) -> None:
    """A run that failed reports what was measured until then, why it ended, and what to do."""
    run = make_run(tmp_path / "run", make_plan({"end": "memory"}))
    assert supervise(run)[0] == 5
    report = run_report(run)
    text = render_run(report, "text")
    assert (report.status, report.exit_code) == ("failed", 5)
    assert "out of memory" in text
    assert "try: smaller micro_batch" in text
    assert "held-out loss" in text


def test_run_that_never_began(tmp_path: Path) -> None:
    """A folder with a plan and nothing else has a report that says pending."""
    report = run_report(make_run(tmp_path / "run", make_plan({})))
    assert report.status == "pending"
    assert "Pending: 0 of 1 steps" in render_run(report, "text")


def test_control_characters_do_not_reach_the_terminal(tmp_path: Path) -> None:
    """A diagnostic or sample with escape sequences is shown without them."""
    run = make_run(tmp_path / "run", make_plan({}))
    supervise(run)
    path = run / "steps/00-baseline/evaluation.json"
    content = json.loads(path.read_text())
    content["samples"] = [{"prompt": "\x1b[31mred", "answer": "\x07bell"}]
    path.write_text(json.dumps(content))
    other = run / "steps/01-lora/evaluation.json"
    other.write_text(json.dumps(content))
    assert "\x1b" not in render_run(run_report(run), "text")
    assert "\x07" not in render_run(run_report(run), "text")
