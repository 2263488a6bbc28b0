"""`Subject`: something of a run that can be asked: the baseline, and what each step left."""

from __future__ import annotations

import shutil
from pathlib import Path

from advisor.domain.base import Frozen
from advisor.domain.errors import AdvisorError, ExitCode
from advisor.domain.plan import BASE, ArtifactRef, Plan, Step
from advisor.domain.run import RunState, StepStatus
from advisor.domain.words import BESIDE, MEASURED, ArtifactKind
from advisor.runs.decisions import find_step, overlaid, read_decisions
from advisor.runs.find import require_run
from advisor.runs.places import PLAN
from advisor.runs.prepare import verify
from advisor.runs.state import load_state

_WITH = ("adapter", "index", "prompt")
"""Roles of a step that makes a prompt or an index which belong to what is asked."""


class Subject(Frozen):
    """One artifact, with what it needs to answer."""

    number: int
    """Of its step; 0 is the model that the run started from."""
    name: str
    """`baseline`, `1 lora`."""
    roles: dict[str, ArtifactRef]
    """As for a step: `model`, and with it `adapter`, `index`, `prompt`."""
    status: StepStatus = "done"


def subjects(run_dir: Path, with_beside: bool = False) -> tuple[Subject, ...]:
    """The baseline and every step's artifact that is there, rolled back ones too. Raises AdvisorError.

    `with_beside`: prompts and indexes as well, each with the model it stands beside.
    """
    from advisor.files import read_plan

    folder = require_run(run_dir)
    plan = read_plan(str(folder / PLAN))
    state = overlaid(plan, load_state(folder), read_decisions(folder))
    found = [Subject(number=0, name="baseline", roles={"model": plan.model})]
    for step in plan.steps:
        where = next((s for s in state.steps if s.number == step.number), None)
        if (
            where is not None
            and step.produces in (MEASURED if with_beside else MEASURED - BESIDE)
            and (_artifact(folder, step) / "manifest.json").is_file()
        ):
            roles = _roles(plan, step, folder, _without(state) - {step.number})
            name = f"{step.number} {step.technique}"
            found.append(Subject(number=step.number, name=name, roles=roles, status=where.status))
    return tuple(found)


def export(run_dir: Path, step: str | None, target: Path) -> tuple[Step, Path]:
    """Copy what a step left (the run's result when none is named) to a new folder. Returns the step and the folder.

    Raises AdvisorError: 2 when there is nothing or something stands there, 1 when the artifact is damaged, 6 when it
    cannot be written.
    """
    from advisor.files import read_plan

    folder = require_run(run_dir)
    plan = read_plan(str(folder / PLAN))
    chosen = find_step(plan, step) if step is not None else _result(plan, folder)
    source = _artifact(folder, chosen)
    found = verify(source)
    if not found.is_whole:
        why = f"{found.file} {found.reason}".strip() if source.is_dir() else "the step has left nothing yet"
        raise AdvisorError(
            f"step {chosen.number} {chosen.technique} cannot be exported", why=why, hint="advisor resume"
        )
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise AdvisorError(f"{target} is there already", hint="name a new folder")
    try:
        shutil.copytree(source, target, dirs_exist_ok=True)
    except (OSError, shutil.Error) as error:
        raise AdvisorError(f"{target}: cannot be written", why=str(error)[:200], code=ExitCode.DISK) from None
    copied = verify(target)
    if not copied.is_whole:
        raise AdvisorError(f"{target}: {copied.file} {copied.reason}", why="the copy differs", code=ExitCode.RUN_FAILED)
    return chosen, target.resolve()


def _result(plan: Plan, folder: Path) -> Step:
    """The last step that counts and left a model."""
    state = overlaid(plan, load_state(folder), read_decisions(folder))
    done = {step.number for step in state.steps if step.status in ("done", "skipped")}
    for step in reversed(plan.steps):
        if step.number in done and step.produces in MEASURED - BESIDE:
            return step
    raise AdvisorError("the run has left no model yet", hint="advisor report says where it stands")


def _without(state: RunState) -> set[int]:
    return {step.number for step in state.steps if step.status == "rolled-back"}


def _artifact(folder: Path, step: Step) -> Path:
    return folder / "steps" / step.folder / "artifact"


def _roles(plan: Plan, step: Step, folder: Path, without: set[int]) -> dict[str, ArtifactRef]:
    own = ArtifactRef(kind=step.produces, path=str(_artifact(folder, step)))
    if step.produces is not ArtifactKind.ADAPTER and step.produces not in BESIDE:
        return {"model": own}
    below = {"model": _origin(plan, folder, plan.standing_in("model", step.inputs.get("model", BASE), without) or BASE)}
    if step.produces in BESIDE:
        others = {role: origin for role, origin in step.inputs.items() if role in _WITH}
        below |= {role: _origin(plan, folder, origin) for role, origin in others.items()}
    return {**below, step.produces.value: own}


def _origin(plan: Plan, folder: Path, origin: str) -> ArtifactRef:
    given = plan.given(origin)
    if given is not None:
        return given
    below = plan.step(int(origin))
    return ArtifactRef(kind=below.produces, path=str(_artifact(folder, below)))
