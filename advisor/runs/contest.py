"""Runs the arms of a comparison one after the other, each as an ordinary run in a folder of its own.

Steps that several arms share are done once: a finished step is copied to the next arm, whose supervisor verifies it and
skips it. Each arm may use an equal share of the time that is left, so that a slow one does not cost the others their
turn; what the quick ones leave over goes to those that were stopped. Started again on the same folder, it goes on where
it was.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from advisor.domain.comparison import Arm, ArmResult, ArmStatus, CompareReport
from advisor.domain.errors import AdvisorError, ExitCode
from advisor.domain.plan import Step
from advisor.domain.run import Evaluation, RunState
from advisor.engine.arms import BASE
from advisor.runs.places import PLAN
from advisor.runs.prepare import PACKAGE, verify
from advisor.runs.report import BASELINE, EVALUATION, read_evaluation
from advisor.runs.state import load_state
from advisor.runs.verdict import change, decide, measured

ARMS, SETTINGS, REPORT, MARKDOWN = "arms", "arms.json", "compare.json", "compare.md"
POLL = 0.2
"""Seconds."""
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Contest:
    """What is compared, and within what."""

    folder: Path
    arms: tuple[Arm, ...]
    recommended: str
    model: str
    questions: int
    budget_minutes: float
    price_per_hour: float | None = None
    package: str = PACKAGE
    """Where executors are looked up."""


def run_contest(contest: Contest, tell: Tell) -> CompareReport:
    """Run every arm that can be run within the budget, then judge. `tell` hears one line per thing that happens.

    Raises AdvisorError (8) when the folder holds another comparison, KeyboardInterrupt once the run is told to stop.
    """
    _claim(contest)
    began = time.monotonic()
    deadline = began + 60 * contest.budget_minutes
    results: dict[str, ArmResult] = {}
    waiting = list(contest.arms)
    while waiting and (not results or time.monotonic() < deadline):
        for number, arm in enumerate(waiting):
            share = max(0.0, deadline - time.monotonic()) / (len(waiting) - number)
            done = [Path(result.folder) for name, result in results.items() if result.folder and name != arm.name]
            results[arm.name] = result = _run_arm(contest, arm, done, time.monotonic() + share, tell)
            tell(f"{arm.name}: {result.status}" + (f": {result.reason}" if result.reason else ""))
        waiting = [arm for arm in waiting if results[arm.name].status == "out of time"]
    report = judge(contest, list(results.values()), time.monotonic() - began)
    _write(report, contest.folder)
    return report


def judge(contest: Contest, results: Sequence[ArmResult], seconds: float) -> CompareReport:
    """The report over what the arms' folders hold. The bare model is the baseline of the first arm that has one."""
    evaluations: dict[str, Evaluation] = {}
    for arm, result in zip(contest.arms, results, strict=True):
        if result.folder and BASE not in evaluations:
            base = read_evaluation(Path(result.folder), BASELINE)
            evaluations.update({BASE: base} if base is not None else {})
        if result.status == "done" and arm.measured_at is not None:
            found = read_evaluation(Path(result.folder), arm.measured_at)
            evaluations.update({arm.name: found} if found is not None else {})
    price, base = contest.price_per_hour, evaluations.get(BASE)
    rows = [ArmResult(name=BASE, status="done" if base is not None else "not possible"), *results]
    rows = [measured(row, evaluations.get(row.name), price) for row in rows]
    rows = [
        row.model_copy(
            update={
                "against_base": change(base, evaluations.get(row.name)) if row.name != BASE else None,
                "against_recommended": change(evaluations.get(contest.recommended), evaluations.get(row.name))
                if row.name != contest.recommended
                else None,
            }
        )
        for row in rows
    ]
    best, overruled, verdict = decide(rows, evaluations, contest.recommended)
    return CompareReport(
        model=contest.model,
        questions=contest.questions,
        budget_minutes=contest.budget_minutes,
        seconds=round(seconds, 1),
        recommended=contest.recommended,
        best=best,
        overruled=overruled,
        verdict=verdict,
        price_per_hour=price,
        arms=tuple(rows),
        folder=str(contest.folder),
    )


def _claim(contest: Contest) -> None:
    """Write down what is compared; refuse a folder in which something else is."""
    from advisor.files.writing import write_whole

    about = {"model": contest.model, "questions": contest.questions, "recommended": contest.recommended,
             "arms": {arm.name: list(arm.techniques) for arm in contest.arms}}  # fmt: skip
    text = json.dumps(about, indent=2) + "\n"
    place = contest.folder / SETTINGS
    if place.is_file() and place.read_text(encoding="utf-8", errors="replace") != text:
        raise AdvisorError(
            f"{contest.folder} holds another comparison", hint="give another --run-dir", code=ExitCode.REFUSED
        )
    if not place.is_file():
        write_whole(text, str(place))


def _run_arm(contest: Contest, arm: Arm, done: Sequence[Path], deadline: float, tell: Tell) -> ArmResult:
    found = ArmResult(name=arm.name, techniques=arm.techniques, status="not possible", reason=arm.why_not)
    if arm.plan is None:
        return found
    folder = contest.folder / ARMS / arm.plan.name
    try:
        status, reason = _finish(contest, arm, folder, done, deadline, tell)
    except AdvisorError as error:
        return found.model_copy(update={"status": "failed", "reason": f"{error.what} {error.why}".strip()[:400]})
    state = load_state(folder)
    made_in = sum(step.seconds for step in state.steps)
    return found.model_copy(
        update={"status": status, "reason": reason, "folder": str(folder), "made_in": round(made_in, 1)}
    )


def _finish(
    contest: Contest, arm: Arm, folder: Path, done: Sequence[Path], deadline: float, tell: Tell
) -> tuple[ArmStatus, str]:
    """Start, go on with, or look at the arm's run until it ends or time is up."""
    from advisor.runs.launch import launch
    from advisor.runs.prepare import holder, prepare
    from advisor.runs.resume import resume
    from advisor.runs.stop import stop

    assert arm.plan is not None
    if (folder / PLAN).is_file():
        if load_state(folder).status != "done" and holder(folder) is None:
            tell(f"{arm.name}: going on")
            resume(folder, package=contest.package)
    else:
        tell(f"{arm.name}: {' -> '.join(arm.techniques)}")
        prepared = prepare(arm.plan, folder, package=contest.package)
        folder.mkdir(parents=True, exist_ok=True)
        _share_steps(arm, folder, done)
        launch(prepared, folder)
    last = ""
    try:
        while True:
            is_active = holder(folder) is not None
            state = load_state(folder)
            last = _told(arm, state, last, tell)
            if not is_active:
                return _status(state)
            if time.monotonic() >= deadline:
                stop(folder)
                return (
                    "out of time",
                    "its share of the budget was spent; a larger --budget with the same --run-dir goes on",
                )
            time.sleep(POLL)
    except KeyboardInterrupt:
        stop(folder)
        raise


def _status(state: RunState) -> tuple[ArmStatus, str]:
    if state.status == "done":
        return "done", ""
    return ("stopped" if state.status in ("stopped", "interrupted") else "failed"), state.reason


def _told(arm: Arm, state: RunState, last: str, tell: Tell) -> str:
    step = next((s for s in state.steps if s.number == state.current), None)
    now = f"{step.technique or 'baseline'} {step.status}" if step is not None else last
    if now != last:
        tell(f"{arm.name}: {now}")
    return now


def _share_steps(arm: Arm, folder: Path, done: Sequence[Path]) -> None:
    """Copy what earlier arms made of the same steps; the supervisor checks it, and takes or redoes it."""
    assert arm.plan is not None
    for earlier in done:
        baseline = earlier / "steps" / BASELINE / EVALUATION
        _copy_file(baseline, folder / "steps" / BASELINE / EVALUATION)
        for step in arm.plan.steps:
            source = _same_step(earlier, step)
            target = folder / "steps" / step.folder
            if source is not None and not (target / "artifact").exists() and verify(source / "artifact").is_whole:
                target.mkdir(parents=True, exist_ok=True)
                shutil.copytree(source / "artifact", target / "artifact")
                _copy_file(source / EVALUATION, target / EVALUATION)
                _copy_file(source / "request.json", target / "request.json")


def _copy_file(source: Path, target: Path) -> None:
    if source.is_file() and not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def _same_step(earlier: Path, step: Step) -> Path | None:
    """The folder of the same step in an earlier arm: same number, technique, settings and inputs."""
    from advisor.files import read_plan

    for other in read_plan(str(earlier / PLAN)).steps:
        same = (other.number, other.technique, other.config, other.inputs) == (
            step.number, step.technique, step.config, step.inputs,
        )  # fmt: skip
        if same:
            return earlier / "steps" / other.folder
    return None


def _write(report: CompareReport, folder: Path) -> None:
    from advisor.files.writing import write_whole
    from advisor.report.comparison import render_comparison

    write_whole(render_comparison(report, "json"), str(folder / REPORT))
    write_whole(render_comparison(report, "markdown"), str(folder / MARKDOWN))
