"""The runs of this user: those below `runs_root()`, and those elsewhere that left a link there."""

from __future__ import annotations

from pathlib import Path

from advisor.domain.base import Frozen
from advisor.domain.errors import AdvisorError
from advisor.domain.event import RunStarted, parse_event
from advisor.domain.run import RunState, RunStatus
from advisor.runs.follow import tail
from advisor.runs.places import EVENTS, PLAN, runs_root
from advisor.runs.prepare import holder
from advisor.runs.state import settled

_HEAD, _TAIL = 1 << 16, 1 << 16


class RunSummary(Frozen):
    """One line of the list of runs."""

    folder: str
    name: str = ""
    status: RunStatus = "pending"
    started: float | None = None
    """Seconds since the epoch."""
    updated: float | None = None
    steps: tuple[str, ...] = ()
    """Techniques, the baseline left out."""
    reason: str = ""


def list_runs(root: Path | None = None) -> list[RunSummary]:
    """Every run, the newest first. Folders that are gone, or hold no run, are left out."""
    place = root if root is not None else runs_root()
    try:
        folders = {folder.resolve() for folder in place.iterdir() if (folder / PLAN).is_file()}
    except OSError:
        return []
    found = [summarize(folder) for folder in folders]
    return sorted(found, key=lambda run: (-(run.started or 0.0), run.folder))


def summarize(run_dir: Path) -> RunSummary:
    """What the beginning and the end of the run's events say; its middle is not read."""
    is_active = holder(run_dir) is not None
    first = _first_event(run_dir)
    state = RunState()
    try:
        size = (run_dir / EVENTS).stat().st_size
        events, _ = tail(run_dir, max(0, size - _TAIL))
    except (OSError, AdvisorError) as error:
        return RunSummary(
            folder=str(run_dir), name=run_dir.name, reason="" if isinstance(error, OSError) else str(error)
        )
    for event in [*([first] if first is not None else []), *events]:
        state = state.after(event)
    state = settled(state, is_active)
    return RunSummary(
        folder=str(run_dir),
        name=first.plan if first is not None else run_dir.name,
        status=state.status,
        started=first.time if first is not None else None,
        updated=state.updated,
        steps=first.steps[1:] if first is not None else (),
        reason=state.reason,
    )


def _first_event(run_dir: Path) -> RunStarted | None:
    try:
        with (run_dir / EVENTS).open("rb") as file:
            event = parse_event(file.readline(_HEAD))
    except (OSError, AdvisorError):
        return None
    return event if isinstance(event, RunStarted) else None
