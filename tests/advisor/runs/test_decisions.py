"""advisor keep, rollback and export: what a person decides of a run, and what the next resume makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from advisor.cli import run_command
from advisor.domain.errors import AdvisorError
from advisor.runs.report import run_report
from advisor.runs.state import load_state
from advisor.runs.subjects import export, subjects
from tests.executors.process.test_gates import BROKEN, HELD, chain
from tests.toy_runs import make_plan, make_run, read_events, supervise


def statuses(run: Path) -> list[str]:
    return [step.status for step in run_report(run).steps]


def test_keep_lets_a_refused_step_pass(tmp_path: Path) -> None:
    """A run that a gate stopped goes on from the step once it is kept."""
    run = make_run(tmp_path / "run", chain(HELD, BROKEN, {"loss": 0.5}))
    assert supervise(run)[0] == 1
    assert run_command(["keep", str(run), "2"]) == 0
    assert supervise(run)[0] == 0
    assert statuses(run) == ["done", "done", "done", "done"]
    assert "kept by hand" in next(d.text for d in load_state(run).diagnostics if d.code == "kept")


def test_roll_back_of_a_finished_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rolled back by hand it counts no more at once; resume does again only what was built on it."""
    run = make_run(tmp_path / "run", chain(HELD, {"loss": 0.9}, {"loss": 0.8}))
    supervise(run)
    assert run_command(["rollback", str(run), "s2"]) == 0
    assert "advisor resume" in capsys.readouterr().err
    report = run_report(run)
    assert [step.status for step in report.steps] == ["done", "done", "rolled-back", "pending"]
    assert report.result == str(run / "steps/01-s1/artifact")
    before = len(read_events(run))
    assert supervise(run)[0] == 0
    worked = [e["step"] for e in read_events(run)[before:] if e["type"] == "step.started" and e["phase"] == "work"]
    assert worked == [3]
    assert statuses(run) == ["done", "done", "rolled-back", "done"]
    run_command(["keep", str(run), "2"])
    assert statuses(run) == ["done", "done", "pending", "pending"]
    supervise(run)
    assert statuses(run) == ["done", "done", "done", "done"]


def test_bad_steps_are_refused(tmp_path: Path) -> None:
    """An unknown step is an error that lists those there are."""
    run = make_run(tmp_path / "run", make_plan(HELD, {}))
    with pytest.raises(AdvisorError, match="there is no step '9'") as error:
        run_command(["rollback", str(run), "9"])
    assert "1 lora, 2 merge-2" in error.value.hint


def test_export_copies_what_verifies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The result, or a named step, is copied whole; damage, and a folder in use, are refused."""
    run = make_run(tmp_path / "run", make_plan(HELD, {"loss": 0.9}))
    supervise(run)
    assert run_command(["export", str(run), "--to", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out/loss.txt").read_text() == "0.9"
    assert capsys.readouterr().out.strip() == str((tmp_path / "out").resolve())
    with pytest.raises(AdvisorError, match="there already"):
        export(run, None, tmp_path / "out")
    (run / "steps/01-lora/artifact/loss.txt").write_text("7")
    with pytest.raises(AdvisorError, match="cannot be exported"):
        export(run, "lora", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_who_can_be_asked(tmp_path: Path) -> None:
    """The baseline and each artifact, an adapter with the model below it; rolled back ones stay to be looked at."""
    run = make_run(tmp_path / "run", make_plan(HELD, {**BROKEN, "then": "roll-back"}))
    supervise(run)
    found = subjects(run)
    assert [(s.number, s.name, s.status) for s in found] == [
        (0, "baseline", "done"),
        (1, "1 lora", "done"),
        (2, "2 merge-2", "rolled-back"),
    ]
    assert {role: ref.kind for role, ref in found[1].roles.items()} == {"model": "causal-lm", "adapter": "adapter"}
    assert found[1].roles["model"].path == "builtin:toy"


@pytest.mark.parametrize("word", ["keep", "rollback"])
def test_nothing_is_decided_about_a_step_that_was_not_done(tmp_path: Path, word: str) -> None:
    """A step without a whole artifact has nothing to keep or to take back."""
    run = make_run(tmp_path / "run", chain(HELD, BROKEN, {"loss": 0.5}))
    supervise(run)
    with pytest.raises(AdvisorError, match="nothing is decided about step 3") as error:
        run_command([word, str(run), "3"])
    assert "not been done" in error.value.why
