"""What a person decides about the steps of a run: keep one whatever its gate says, or roll one back.

It is written into the run's folder and takes effect with the next `advisor resume`.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from advisor.domain.decision import DECISIONS, Decisions, Word
from advisor.domain.errors import AdvisorError, ExitCode
from advisor.domain.plan import Plan, Step
from advisor.domain.run import RunState, StepState
from advisor.domain.words import MEASURED
from advisor.runs.find import require_run
from advisor.runs.places import MANIFEST, PLAN
from advisor.runs.prepare import holder

_KEPT = "kept by hand; advisor resume takes it in again"
_ROLLED_BACK = "rolled back by hand; advisor resume does again what was built on it"
_STALE = "built on a step that was decided upon since; advisor resume does it again"


def decide(run_dir: Path, step: str, word: Word) -> Step:
    """Write down a decision about a step, named by its number or technique. Returns the step.

    Raises AdvisorError: 2 when there is no such step or it leaves no model, 7 while the run is active, 6 when it
    cannot be written.
    """
    from advisor.files import read_plan
    from advisor.files.writing import write_whole

    folder = require_run(run_dir)
    found = find_step(read_plan(str(folder / PLAN)), step)
    if found.produces not in MEASURED:
        why = f"it leaves a {found.produces}, which stands beside the model"
        raise AdvisorError(f"nothing is decided about step {found.number} {found.technique}", why=why)
    if not (folder / "steps" / found.folder / "artifact" / MANIFEST).is_file():
        raise AdvisorError(
            f"nothing is decided about step {found.number} {found.technique}",
            why="it has not been done yet",
            hint=f"advisor resume {folder}",
        )
    if holder(folder) is not None:
        raise AdvisorError(
            "the run is active", hint=f"advisor stop {folder}, then decide and resume", code=ExitCode.ALREADY_ACTIVE
        )
    known = read_decisions(folder)
    changed = known.model_copy(update={"steps": {**known.steps, found.number: word}})
    write_whole(changed.model_dump_json(by_alias=True, indent=2) + "\n", str(folder / DECISIONS))
    return found


def read_decisions(run_dir: Path) -> Decisions:
    """What was decided in a run so far. An unreadable file counts as none; the supervisor refuses it."""
    try:
        return Decisions.model_validate_json((run_dir / DECISIONS).read_bytes())
    except (OSError, ValidationError):
        return Decisions.model_construct()


def find_step(plan: Plan, name: str) -> Step:
    """The step of that number, or of that technique when only one has it. Raises AdvisorError."""
    named = [step for step in plan.steps if name in (str(step.number), step.technique, step.folder)]
    if len(named) == 1:
        return named[0]
    known = ", ".join(f"{step.number} {step.technique}" for step in plan.steps)
    what = f"{name!r} names {len(named)} steps" if named else f"there is no step {name!r}"
    raise AdvisorError(what, hint=f"the steps are {known}")


def overlaid(plan: Plan, state: RunState, decisions: Decisions) -> RunState:
    """The state as decided: what no resume has acted upon yet is shown as decided, and what it makes stale as such."""
    if not decisions.steps:
        return state
    states = {step.number: step for step in state.steps}
    touched: set[str] = set()
    for step in plan.steps:
        now = states.get(step.number)
        change = _change(step, now, decisions, touched) if now is not None else None
        if now is not None and change is not None:
            states[step.number] = now.model_copy(update=change)
            touched.add(str(step.number))
    return state.model_copy(update={"steps": tuple(states.values())})


def _change(step: Step, now: StepState, decisions: Decisions, touched: set[str]) -> dict[str, str] | None:
    is_back = now.status == "rolled-back"
    if step.number in decisions.rolled_back and not is_back and now.status != "pending":
        return {"status": "rolled-back", "reason": _ROLLED_BACK}
    if is_back and step.number in decisions.kept:
        return {"status": "pending", "reason": _KEPT}
    if now.status in ("done", "rolled-back") and touched.intersection(step.inputs.values()):
        return {"status": "pending", "reason": _STALE}
    return None
