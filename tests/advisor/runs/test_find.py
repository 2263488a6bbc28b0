"""Which run is meant by what a person types."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from advisor.domain.errors import AdvisorError
from advisor.domain.event import RunStarted
from advisor.runs.find import require_run
from advisor.runs.places import EVENTS, PLAN, remember


def run_in(folder: Path, at: float = 0.0, name: str = "lora-run") -> Path:
    folder.mkdir(parents=True)
    (folder / PLAN).write_text("schema: 1\n")
    started = RunStarted(time=at, plan=name, steps=("baseline", "lora"))
    (folder / EVENTS).write_text(started.model_dump_json(by_alias=True) + "\n")
    return folder


@pytest.fixture
def listed(private_home: Path, tmp_path: Path) -> dict[str, Path]:
    """Two runs in the usual place and one elsewhere."""
    root = private_home / "technique-advisor" / "runs"
    found = {
        "old": run_in(root / "20260101-100000-lora", 100),
        "new": run_in(root / "20260102-100000-lora", 300),
        "elsewhere": run_in(tmp_path / "work" / "mine", 200, "second"),
    }
    remember(found["elsewhere"])
    return found


@pytest.mark.parametrize(
    ("typed", "which"),
    [
        ("20260101-100000-lora", "old"),
        ("20260102", "new"),
        ("mine", "elsewhere"),
        ("second", "elsewhere"),
        ("sec", "elsewhere"),
        ("last", "new"),
    ],
)
def test_names_find_the_run(listed: dict[str, Path], typed: str, which: str) -> None:
    """A folder's name, a plan's, the beginning of either, and `last` each mean one run of the list."""
    os.utime(listed["old"] / PLAN)  # a plan that was edited later does not make its run the last
    assert require_run(Path(typed)) == listed[which]


def test_a_folder_wins_over_a_name(listed: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies in the current folder is meant before what is listed."""
    here = run_in(tmp_path / "here" / "20260102-100000-lora")
    monkeypatch.chdir(here.parent)
    assert require_run(Path(here.name)) == here


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("202601", "2 runs are named so"),
        ("lora-run", "2 runs are named so"),
        ("x" * 300, "no such folder, and no run of that name"),
        ("nothing-like-it", "no such folder, and no run of that name"),
        ("gone/20260101-100000-lora", "no such folder"),
        ("", "not a run folder"),
        ("..", "not a run folder"),
    ],
)
def test_what_means_no_run_is_refused(listed: dict[str, Path], typed: str, words: str) -> None:
    """Several names that begin so, no name, a path to nothing, and a folder without a run are refused by name."""
    with pytest.raises(AdvisorError, match=words):
        require_run(Path(typed))


def test_last_without_runs_is_refused(private_home: Path) -> None:
    """`last` means nothing when no run was started."""
    with pytest.raises(AdvisorError, match="last: no such folder"):
        require_run(Path("last"))
