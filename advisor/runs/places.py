"""Where runs lie: a folder of their own below the user's data, named by time and plan."""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path

from advisor.domain.errors import AdvisorError, ExitCode

PLAN, ANSWERS, RECOMMENDATION, EVENTS = "plan.yaml", "answers.yaml", "recommendation.json", "events.jsonl"
MANIFEST = "manifest.json"
"""Stands in a step's artifact once it is whole."""


def runs_root() -> Path:
    """The folder that holds runs started without `--run-dir`. It need not exist."""
    from platformdirs import user_data_path

    try:
        return user_data_path("technique-advisor", appauthor=False) / "runs"
    except RuntimeError:
        raise AdvisorError(
            "there is no home folder to keep runs in", hint="give --run-dir, or set HOME", code=ExitCode.DISK
        ) from None


def make_run_folder(name: str, wanted: Path | None = None) -> Path:
    """Make the folder of a new run: `wanted`, or a new one below `runs_root()`. Absolute.

    Raises AdvisorError (6) when it cannot be made, (2) when `wanted` holds a finished or interrupted run.
    """
    folder = wanted.absolute() if wanted is not None else None
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            return folder
        root = runs_root()
        root.mkdir(parents=True, exist_ok=True)
        return _make_unique(root, f"{time.strftime('%Y%m%d-%H%M%S')}-{_slug(name)}")
    except OSError as error:
        hint = "choose another --run-dir" if wanted is not None else "give --run-dir, or set XDG_DATA_HOME"
        place = folder if folder is not None else runs_root()
        why = error.strerror or str(error)
        raise AdvisorError(f"{place}: cannot be made", why=why, hint=hint, code=ExitCode.DISK) from None


def remember(folder: Path) -> None:
    """Make a run that lies elsewhere appear in `advisor runs`, by a link below `runs_root()`."""
    root = runs_root()
    if folder.parent == root:
        return
    # Only the listing depends on it: a home that cannot be written must not keep a run from starting.
    with contextlib.suppress(OSError):
        root.mkdir(parents=True, exist_ok=True)
        if not any(link.is_symlink() and link.resolve() == folder.resolve() for link in root.iterdir()):
            stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{_slug(folder.name)}"
            (root / stem).symlink_to(folder, target_is_directory=True)


def _make_unique(root: Path, name: str) -> Path:
    for suffix in ("", *(f"-{n}" for n in range(2, 1000))):
        folder = root / f"{name}{suffix}"
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            continue
    raise FileExistsError(str(root / name))


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "run"
