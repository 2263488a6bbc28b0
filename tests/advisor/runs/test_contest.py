"""Comparisons of toy arms: real supervisors and workers, one run folder per arm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from advisor.domain.comparison import Arm, CompareReport
from advisor.domain.errors import AdvisorError, ExitCode
from advisor.domain.plan import Plan
from advisor.runs.contest import Contest, run_contest
from tests.toy_runs import ROOT, TOYS, make_plan, of_type


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def named(name: str, *configs: dict[str, Any]) -> Arm:
    plan: Plan = make_plan(*configs, evaluation={"questions": 20})
    return Arm(
        name=name, techniques=tuple(s.technique for s in plan.steps), plan=plan.model_copy(update={"name": name})
    )


ARMS = (
    named("prompt", {"loss": 1.8}),
    Arm(name="retrieval", techniques=("basic-rag",), why_not="there are no documents"),
    named("adapter", {"loss": 1.8}, {"loss": 0.4}),
    named("broken", {"end": "bug"}),
)


def contest(folder: Path, budget: float = 5.0, arms: tuple[Arm, ...] = ARMS) -> Contest:
    folder.mkdir(exist_ok=True)
    return Contest(folder, arms, "prompt", "builtin:toy", 20, budget, 1.0, TOYS)


def statuses(report: CompareReport) -> dict[str, str]:
    return {arm.name: arm.status for arm in report.arms}


def test_arms_are_run_and_judged(tmp_path: Path) -> None:
    """Each arm is a run of its own; a shared step is not done again; what cannot run and what fails is said; the rule
    is overruled; done again on the same folder nothing is repeated."""
    lines: list[str] = []
    report = run_contest(contest(tmp_path / "c"), lines.append)
    assert statuses(report) == {
        "bare model": "done", "prompt": "done", "retrieval": "not possible", "adapter": "done", "broken": "failed",
    }  # fmt: skip
    assert (report.best, report.overruled) == ("adapter", True)
    assert "overruled" in report.verdict
    finished = of_type(tmp_path / "c" / "arms" / "adapter", "step.finished")
    assert [e["status"] for e in finished] == ["skipped", "skipped", "skipped", "done", "done"]
    assert {"compare.json", "compare.md"} <= {path.name for path in (tmp_path / "c").iterdir()}
    again = run_contest(contest(tmp_path / "c"), lines.append)
    assert [arm.accuracy for arm in again.arms[:4]] == [arm.accuracy for arm in report.arms[:4]]
    assert len(of_type(tmp_path / "c" / "arms" / "adapter", "run.started")) == 1


def test_the_budget_ends_it_and_more_goes_on(tmp_path: Path) -> None:
    """An arm that is stopped when its share is spent goes on in the same folder with more time."""
    slow = (named("prompt", {"loss": 1.0, "steps": 400, "seconds": 0.05}), named("adapter", {"loss": 0.5}))
    report = run_contest(contest(tmp_path / "c", 0.06, slow), lambda line: None)
    assert statuses(report)["prompt"] == "out of time"
    after = run_contest(contest(tmp_path / "c", 5, slow), lambda line: None)
    assert statuses(after) == {"bare model": "done", "prompt": "done", "adapter": "done"}


def test_a_slow_arm_leaves_the_others_their_turn(tmp_path: Path) -> None:
    """An arm that would take the whole budget is stopped at its share; the arm after it still starts."""
    endless = (named("prompt", {"loss": 1.0, "steps": 100_000, "seconds": 0.05}), named("adapter", {"loss": 0.5}))
    report = run_contest(contest(tmp_path / "c", 0.1, endless), lambda line: None)
    assert statuses(report)["prompt"] == "out of time"
    assert of_type(tmp_path / "c" / "arms" / "adapter", "run.started")


def test_another_comparison_is_refused(tmp_path: Path) -> None:
    """A folder keeps one comparison: another model, questions or arms do not mix into it."""
    run_contest(contest(tmp_path / "c", arms=ARMS[:1]), lambda line: None)
    with pytest.raises(AdvisorError) as raised:
        run_contest(contest(tmp_path / "c", arms=ARMS[1:2]), lambda line: None)
    assert raised.value.code is ExitCode.REFUSED
