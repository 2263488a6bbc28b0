"""`RunReport`: what came of a run, computed from its folder: plan, events, evaluations. Same files in, same report out.

The supervisor writes none: whoever ends a run in a front end, and `advisor report`, call `write_report`.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from advisor.domain.errors import Diagnostic
from advisor.domain.parity import ParityRecord
from advisor.domain.plan import Plan, Step
from advisor.domain.run import Evaluation, RunState, StepState
from advisor.domain.run_record import Run
from advisor.domain.run_report import Prediction, RunReport, StepReport
from advisor.domain.words import ArtifactKind
from advisor.runs.compare import compare
from advisor.runs.decisions import overlaid, read_decisions
from advisor.runs.find import require_run
from advisor.runs.places import PLAN
from advisor.runs.state import load_state

EVALUATION = "evaluation.json"
PARITY = "parity.json"
BASELINE = "00-baseline"
MARKDOWN, JSON, RECORD = "report.md", "report.json", "run.json"
_SAMPLES = 3
_BESIDE = (ArtifactKind.INDEX, ArtifactKind.PROMPT)
"""What stands beside the model: the step after it starts from the model as it was."""


def run_report(run_dir: Path) -> RunReport:
    """The report of a run, finished or not. Raises AdvisorError when the folder holds no readable run."""
    from advisor.files import read_plan

    folder = require_run(run_dir)
    return report(read_plan(str(folder / PLAN)), load_state(folder), folder)


def report(plan: Plan, state: RunState, run_dir: Path) -> RunReport:
    """The report of a run in this state; reads only the evaluations in its folder."""
    state = overlaid(plan, state, read_decisions(run_dir))
    states = {step.number: step for step in state.steps}
    baseline = read_evaluation(run_dir, BASELINE)
    start = states.get(0, StepState(number=0))
    first = _step_report(start, None, baseline, None, None)
    measuring = _measuring(plan, start)
    steps = [first.model_copy(update={"technique": "baseline", "predictions": measuring})]
    previous, result = baseline, None
    for step in plan.steps:
        where = states.get(step.number, StepState(number=step.number, technique=step.technique))
        evaluation = read_evaluation(run_dir, step.folder) if where.status != "pending" else None
        found = _step_report(where, step, evaluation, baseline, previous)
        told = (*found.predictions, *_measuring(plan, where))
        steps.append(found.model_copy(update={"parity": read_parity(run_dir, where), "predictions": told}))
        if where.status == "rolled-back":
            continue
        if step.produces not in _BESIDE:
            previous = evaluation or previous
        if where.artifacts and where.status != "pending":
            result = str(run_dir / where.artifacts[-1].path)
    raised = (d.model_dump(include=set(Diagnostic.model_fields)) for d in state.diagnostics)
    return RunReport(
        name=plan.name,
        status=state.status,
        folder=str(run_dir),
        model=plan.model.path,
        result=result,
        seconds=round(state.elapsed, 3),
        steps=tuple(steps),
        diagnostics=tuple(dict.fromkeys(Diagnostic.model_validate(fields) for fields in raised)),
        notes=plan.notes,
        reason=state.reason,
        exit_code=state.exit_code,
    )


def read_evaluation(run_dir: Path, step_folder: str) -> Evaluation | None:
    """What was measured after a step (`00-baseline` before the first); None when nothing was."""
    try:
        return Evaluation.model_validate_json((run_dir / "steps" / step_folder / EVALUATION).read_bytes())
    except (OSError, ValidationError):
        return None


def read_parity(run_dir: Path, step: StepState) -> ParityRecord | None:
    """What a step's artifact says of its likeness to the model before; None when it says nothing."""
    if not step.artifacts:
        return None
    place = run_dir / step.artifacts[-1].path
    try:
        return ParityRecord.model_validate_json(((place if place.is_dir() else place.parent) / PARITY).read_bytes())
    except (OSError, ValidationError):
        return None


def write_report(run_dir: Path) -> RunReport:
    """Compute the report and write `report.md` and `report.json` beside the plan. Raises AdvisorError (6).

    What the finished steps cost is remembered for later estimates on this machine.
    """
    from advisor.files.writing import write_whole
    from advisor.report.run import render_run

    found = run_report(run_dir)
    _remember(run_dir)
    for name, form in ((MARKDOWN, "markdown"), (JSON, "json")):
        write_whole(render_run(found, form), str(run_dir / name))
    return found


def _remember(run_dir: Path) -> None:
    from advisor.files import read_plan
    from advisor.probe.calibration import identity
    from advisor.probe.hardware import probe_hardware
    from advisor.runs.measurements import remember

    try:
        record = Run.model_validate_json((run_dir / RECORD).read_bytes())
    except (OSError, ValidationError):
        return
    state = load_state(run_dir)
    remember(read_plan(str(run_dir / PLAN)), state, record.created, identity(probe_hardware()))


def _step_report(
    state: StepState,
    step: Step | None,
    found: Evaluation | None,
    baseline: Evaluation | None,
    before: Evaluation | None,
) -> StepReport:
    return StepReport(
        number=state.number,
        technique=state.technique,
        status=state.status,
        seconds=round(state.seconds, 3),
        evaluation_seconds=round(state.evaluation_seconds, 3),
        metrics=found.metrics if found is not None else (),
        against_baseline=compare(baseline, found) if found is not None and baseline is not None else (),
        against_previous=compare(before, found) if found is not None and before is not None else (),
        predictions=_predictions(step, state) if step is not None else (),
        artifacts=state.artifacts,
        samples=found.samples[:_SAMPLES] if found is not None else (),
        settings=state.settings,
        attempts=state.attempts,
        reason=state.reason,
    )


def _predictions(step: Step, state: StepState) -> tuple[Prediction, ...]:
    expected = step.estimate
    rows = (
        Prediction(quantity="gpu_gib", predicted=expected.gpu_gib, measured=state.peak_gpu_gib),
        Prediction(quantity="ram_gib", predicted=expected.ram_gib, measured=state.peak_rss_gib),
        Prediction(quantity="disk_gib", predicted=expected.disk_gib, measured=state.disk_gib),
        Prediction(quantity="seconds", predicted=expected.seconds, measured=state.seconds or None),
    )
    return tuple(row for row in rows if row.predicted is not None or row.measured is not None)


def _measuring(plan: Plan, state: StepState) -> tuple[Prediction, ...]:
    """What an evaluation was expected to take and took; nothing where none was made."""
    if not state.evaluation_seconds:
        return ()
    seconds = plan.evaluation.seconds
    return (Prediction(quantity="evaluation_seconds", predicted=seconds, measured=state.evaluation_seconds),)
