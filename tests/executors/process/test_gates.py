"""executors/process/chain.py: what follows when a gate refuses a step: stop, roll back, or try again milder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from advisor.domain.plan import Plan
from advisor.domain.words import ArtifactKind
from advisor.runs.report import run_report
from advisor.runs.state import load_state
from tests.toy_runs import make_plan, make_run, of_type, read_events, supervise

HELD, BROKEN = {"loss": 1.0}, {"loss": 1.8, "gate": 0.1}


def chain(*configs: dict[str, Any], **changes: Any) -> Plan:
    """Models one after the other: each step starts from the one before it."""
    plan = make_plan(*configs, **changes)
    steps = []
    for step in plan.steps:
        inputs = {"model": "base" if step.number == 1 else str(step.number - 1)}
        steps.append(
            step.model_copy(
                update={"produces": ArtifactKind.CAUSAL_LM, "inputs": inputs, "technique": f"s{step.number}"}
            )
        )
    return plan.model_copy(update={"steps": tuple(steps)})


def run_of(tmp_path: Path, plan: Plan) -> Path:
    return make_run(tmp_path / "run", plan)


def statuses(run: Path) -> list[str]:
    return [step.status for step in load_state(run).steps]


def test_a_refused_step_is_rolled_back_and_the_chain_goes_on(tmp_path: Path) -> None:
    """The step after a rolled back one starts from what that one started from; the run ends well and says so."""
    run = run_of(tmp_path, chain(HELD, {**BROKEN, "then": "roll-back"}, {"loss": 0.9, "gate": 0.0}))
    assert supervise(run) == (0, "")
    assert statuses(run) == ["done", "done", "rolled-back", "done"]
    request = json.loads((run / "steps/03-s3/request.json").read_text())
    assert request["inputs"]["roles"]["model"]["path"].endswith("steps/01-s1/artifact")
    report = run_report(run)
    assert report.result == str(run / "steps/03-s3/artifact")
    assert "from 1.015 to 1.827, more than the 10.0% allowed; rolled back" in report.steps[2].reason
    assert report.steps[3].against_previous[0].before == pytest.approx(1.015)
    assert supervise(run)[0] == 0
    assert statuses(run) == ["done", "done", "rolled-back", "done"]


def test_a_refused_step_is_tried_again_with_milder_settings(tmp_path: Path) -> None:
    """The executor names milder settings until the gate holds; each try is told with its figures."""
    run = run_of(tmp_path, chain(HELD, {**BROKEN, "then": "retry-milder", "gate": 0.25}, {"loss": 0.9}))
    assert supervise(run) == (0, "")
    step = load_state(run).steps[2]
    assert (step.status, step.settings) == ("done", {"loss": 1.2})
    assert [attempt.settings for attempt in step.attempts] == [{}, {"loss": 1.4}]
    assert "tried again with loss 1.2" in step.attempts[1].reason
    assert (run / "steps/02-s2/artifact/loss.txt").read_text() == "1.2"
    before = len(read_events(run))
    assert supervise(run)[0] == 0
    assert not [e for e in read_events(run)[before:] if e["type"] == "step.started"]


def test_what_has_nothing_milder_left_is_rolled_back(tmp_path: Path) -> None:
    """After the tries that are allowed the step is rolled back, and a resume does not try again."""
    run = run_of(tmp_path, chain(HELD, {**BROKEN, "gate": 0.0, "then": "retry-milder"}, {"loss": 0.9}))
    assert supervise(run)[0] == 0
    step = load_state(run).steps[2]
    assert (step.status, len(step.attempts)) == ("rolled-back", 3)
    before = len(read_events(run))
    assert supervise(run)[0] == 0
    assert not [e for e in read_events(run)[before:] if e["type"] == "step.started"]
    assert statuses(run) == ["done", "done", "rolled-back", "done"]


def test_an_interrupted_try_goes_on_with_its_own_settings(tmp_path: Path) -> None:
    """A run that died while a milder try was at work resumes with that try, not with the plan's settings."""
    plan = chain(HELD, {**BROKEN, "then": "retry-milder", "gate": 0.25})
    run = run_of(tmp_path, plan)
    supervise(run)
    (run / "steps/02-s2/artifact/loss.txt").unlink()
    (run / "steps/02-s2/evaluation.json").unlink()
    before = len(read_events(run))
    assert supervise(run)[0] == 0
    started = [e for e in read_events(run)[before:] if e["type"] == "step.started" and e["phase"] == "work"]
    assert [e["settings"] for e in started] == [{"loss": 1.2}]


def test_a_rolled_back_adapter_leaves_nothing_to_merge(tmp_path: Path) -> None:
    """A step that needs the adapter of a rolled back one is left out too, and the run still ends well."""
    plan = make_plan({"loss": 2.5, "gate": 0.1, "then": "roll-back"}, {"loss": 1.0})
    run = run_of(tmp_path, plan)
    assert supervise(run)[0] == 0
    assert statuses(run) == ["done", "rolled-back", "rolled-back"]
    assert "it builds on step 1" in run_report(run).steps[2].reason
    assert run_report(run).result is None


@pytest.mark.parametrize(
    ("action", "code", "expected"),
    [
        ("stop", 1, ["done", "done", "failed"]),
        ("roll-back", 0, ["done", "done", "rolled-back"]),
        ("retry-milder", 0, ["done", "done", "done"]),
    ],
)
def test_the_chain_has_a_gate_of_its_own(tmp_path: Path, action: str, code: int, expected: list[str]) -> None:
    """Steps that each hold may lose too much together: the last one is judged against the baseline."""
    plan = chain({"loss": 1.1}, {"loss": 1.2}, evaluation={"baseline": 1.0}, max_regression=0.15, on_regression=action)
    run = run_of(tmp_path, plan)
    assert supervise(run)[0] == code
    assert statuses(run) == expected
    assert any("the chain up to step 2" in e["text"] for e in of_type(run, "diagnostic.raised"))


def test_a_plan_says_it_for_all_its_steps(tmp_path: Path) -> None:
    """A step without a word of its own does as the plan says; its own word goes before."""
    plan = chain(HELD, BROKEN, {**BROKEN, "then": "stop"}, on_regression="roll-back")
    run = run_of(tmp_path, plan)
    assert supervise(run)[0] == 1
    assert statuses(run) == ["done", "done", "rolled-back", "failed"]


def test_the_report_tells_of_gates(tmp_path: Path) -> None:
    """Every form of the report names what was tried, refused and rolled back."""
    from advisor.report.run import render_run

    tried = {**BROKEN, "then": "retry-milder", "gate": 0.25}
    run = run_of(tmp_path, chain(HELD, tried, {**BROKEN, "then": "roll-back"}))
    supervise(run)
    for form in ("text", "markdown", "html"):
        text = " ".join(render_run(run_report(run), form).split())
        assert "2 s2 was done with loss 1.2" in text
        assert "3 s3 counts for nothing" in text
        assert "rolled back)" in text
