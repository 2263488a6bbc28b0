"""Which run is meant: a folder, the name of one that `advisor runs` lists, the beginning of a name, or `last`."""

from __future__ import annotations

from pathlib import Path

from advisor.domain.errors import AdvisorError
from advisor.runs.places import PLAN, runs_root

LAST = "last"
_HINT = "advisor runs lists the runs; give the folder, its name, the beginning of it, or 'last'"


def require_run(named: Path) -> Path:
    """The absolute folder of the run. A folder wins over a name.

    Raises AdvisorError (2) when there is no such folder or name, when it holds no run, or when several names begin so.
    """
    folder = named if named.is_dir() else _by_name(named)
    if not (folder / PLAN).is_file():
        raise AdvisorError(f"{named}: not a run folder", why=f"it has no {PLAN}", hint=_HINT)
    return folder.resolve()


def _by_name(named: Path) -> Path:
    name = str(named)
    known = _listed() if named.name == name else {}
    if name == LAST and known:
        return max(known.values(), key=_started)
    if name in known:
        return known[name]
    found = {folder.resolve() for entry, folder in known.items() if name and entry.startswith(name)}
    # A run elsewhere is listed by a link of another name; people know it by its own.
    found |= {folder.resolve() for folder in known.values() if folder.resolve().name == name}
    if len(found) > 1:
        names = ", ".join(sorted(folder.name for folder in found)[:5])
        raise AdvisorError(f"{name}: {len(found)} runs are named so", why=names, hint="give more of the name")
    if not found:
        raise AdvisorError(f"{name}: no such folder, and no run of that name", hint=_HINT)
    return found.pop()


def _listed() -> dict[str, Path]:
    try:
        return {entry.name: entry for entry in runs_root().iterdir() if (entry / PLAN).is_file()}
    except (OSError, AdvisorError):
        return {}


def _started(folder: Path) -> float:
    """When its plan was put there, seconds since the epoch; what it writes later does not count."""
    try:
        return (folder / PLAN).stat().st_mtime
    except OSError:
        return 0.0
