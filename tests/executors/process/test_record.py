"""executors/process/record.py: what counts as a change, and what does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from advisor.domain.run_record import Run
from executors.process.record import changes, make_record, read_record, write_record
from tests.toy_runs import TOYS, make_plan


def record(run_dir: Path, before: Run | None = None, **plan: Any) -> Run:
    return make_record(run_dir, make_plan({"steps": 3}, **plan), before, 1.0, TOYS)


def test_nothing_changed(tmp_path: Path) -> None:
    """Written and read back, the same plan on the same machine has no changes."""
    first = record(tmp_path)
    write_record(tmp_path, first)
    before = read_record(tmp_path)
    assert before is not None
    assert changes(before, record(tmp_path, before)) == []


def test_fields_a_later_version_added_are_no_change(tmp_path: Path) -> None:
    """A plan recorded before a field with a default existed is still the same plan."""
    before = record(tmp_path)
    plan = {key: value for key, value in before.plan.items() if key != "notes"}
    assert changes(before.model_copy(update={"plan": plan}), record(tmp_path, before)) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"versions": {"torch": "1.0"}}, "torch: 1.0 -> "),
        ({"versions": {"gone": "1.0"}}, "gone: 1.0 -> not installed"),
        ({"code_sha256": "other"}, "the code of the executors"),
        ({"answers_sha256": "other"}, "answers.yaml has other contents"),
    ],
)
def test_each_change_is_named(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    """Versions, code and answers that differ are each one line."""
    now = record(tmp_path)
    before = now.model_copy(update=change)
    assert any(words in line for line in changes(before, now))


def test_every_changed_setting_is_named(tmp_path: Path) -> None:
    """Settings are named by their place in the plan."""
    before, now = record(tmp_path), record(tmp_path, seed=7, evaluation={"examples": 3})
    assert changes(before, now) == ["plan: evaluation.config.examples: None -> 3", "plan: seed: 0 -> 7"]


def test_unchanged_sources_are_not_read_again(tmp_path: Path) -> None:
    """A model folder is hashed once; while names, sizes and times stay, its hash is taken over."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "weights").write_bytes(b"1")
    plan: dict[str, Any] = {"model": {"kind": "causal-lm", "path": str(model)}}
    before = record(tmp_path, **plan)
    marked = before.model_copy(update={"sources": (before.sources[0].model_copy(update={"sha256": "kept"}),)})
    assert record(tmp_path, marked, **plan).sources[0].sha256 == "kept"
    (model / "weights").write_bytes(b"22")
    now = record(tmp_path, marked, **plan)
    assert changes(marked, now) == [f"{model} has other contents"]
