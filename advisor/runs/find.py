"""Which run is meant: a folder, the name of one that `advisor runs` lists, the beginning of a name, or `last`."""

from __future__ import annotations

from pathlib import Path

from advisor.domain.errors import AdvisorError
from advisor.runs.catalogue import RunSummary, list_runs
from advisor.runs.places import PLAN

LAST = "last"
_HINT = "advisor runs lists the runs; give the folder, its name, the beginning of it, or 'last'"


def require_run(named: Path) -> Path:
    """The absolute folder of the run. A folder wins over a name; a whole name over the beginning of another.

    Raises AdvisorError (2) when there is no such folder or name, when it holds no run, or when several names begin so.
    """
    folder = named if _is_folder(named) else _by_name(named)
    if not (folder / PLAN).is_file():
        raise AdvisorError(f"{named}: not a run folder", why=f"it has no {PLAN}", hint=_HINT)
    return folder.resolve()


def _is_folder(named: Path) -> bool:
    try:
        return named.is_dir()
    except OSError:  # longer than a name can be
        return False


def _by_name(named: Path) -> Path:
    name = str(named)
    known = _listed() if named.name == name else []
    if name == LAST and known:
        return Path(known[0].folder)
    names = [(Path(run.folder), {Path(run.folder).name, run.name}) for run in known]
    found = [folder for folder, called in names if name in called]
    found = found or [folder for folder, called in names if any(each.startswith(name) for each in called)]
    if len(found) > 1:
        folders = ", ".join(folder.name for folder in found[:5])
        raise AdvisorError(f"{name}: {len(found)} runs are named so", why=folders, hint="give the name of a folder")
    if not found:
        raise AdvisorError(f"{name[:100]}: no such folder, and no run of that name", hint=_HINT)
    return found[0]


def _listed() -> list[RunSummary]:
    try:
        return list_runs()
    except AdvisorError:  # no home folder
        return []
