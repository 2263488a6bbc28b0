"""advisor/runs/prepare.py: what is wrong with a plan is said before anything starts."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from advisor.domain.errors import AdvisorError, ExitCode
from advisor.domain.estimate import Range, StepEstimate
from advisor.runs.prepare import prepare
from executors.protocol import Machine
from tests.toy_runs import TOYS, make_plan


@pytest.mark.parametrize(
    ("config", "code", "words"),
    [
        ({"stpes": 3}, 2, "step 1 lora: unknown key 'stpes'"),
        ({"steps": []}, 2, "config steps"),
        ({"refuse": "disk-full"}, 6, "refused"),
        ({"refuse": "not-enough-memory"}, 5, "refused"),
    ],
)
def test_refused(tmp_path: Path, config: dict[str, Any], code: int, words: str) -> None:
    """A wrong setting or a preflight refusal is an error with its code, naming the step."""
    with pytest.raises(AdvisorError, match=words) as refused:
        prepare(make_plan(config), tmp_path, package=TOYS)
    assert refused.value.code == code


def test_evaluation_is_checked_too(tmp_path: Path) -> None:
    """A wrong setting of the evaluation is found before the first step."""
    with pytest.raises(AdvisorError, match="evaluation: unknown key 'exampels'") as refused:
        prepare(make_plan({}, evaluation={"exampels": 3}), tmp_path, package=TOYS)
    assert refused.value.hint == "did you mean 'examples'?"


def test_kinds_must_fit(tmp_path: Path) -> None:
    """A model input that would be an adapter is refused, naming both steps."""
    plan = make_plan({}, {})
    wrong = plan.steps[1].model_copy(update={"inputs": {"model": "1"}})
    with pytest.raises(AdvisorError, match="its model would be a adapter from step 1 lora"):
        prepare(plan.model_copy(update={"steps": (plan.steps[0], wrong)}), tmp_path, package=TOYS)


def test_disk(tmp_path: Path) -> None:
    """A plan that is expected to write more than is free is exit 6; one that may, is a warning."""
    needs = StepEstimate(disk_gib=Range(low=1, expected=2, high=3))
    plan = make_plan({})
    plan = plan.model_copy(update={"steps": (plan.steps[0].model_copy(update={"estimate": needs}),)})
    with pytest.raises(AdvisorError, match=r"2\.15 GB") as refused:
        prepare(plan, tmp_path, Machine(disk_free_gib=1.5), TOYS)
    assert refused.value.code is ExitCode.DISK
    tight = prepare(plan, tmp_path, Machine(disk_free_gib=2.5), TOYS)
    assert [d.code for d in tight.diagnostics] == ["disk-tight"]
    assert prepare(plan, tmp_path, Machine(disk_free_gib=9.0), TOYS).diagnostics == ()


def test_paths_become_absolute(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths that exist are written absolute, so that a resume from another folder finds them; ids stay."""
    shutil.copytree(tiny_model, tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    plan = make_plan({})
    local = plan.model_copy(update={"model": plan.model.model_copy(update={"path": "model"})})
    assert prepare(local, tmp_path, package=TOYS).plan.model.path == str(tmp_path / "model")
    assert prepare(plan, tmp_path, package=TOYS).plan.model.path == "builtin:toy"


def test_empty_plan(tmp_path: Path) -> None:
    """A plan without steps says that there is nothing to run."""
    with pytest.raises(AdvisorError, match="no steps"):
        prepare(make_plan(), tmp_path, package=TOYS)


def test_local_models_are_looked_at(tmp_path: Path, tiny_model: Path) -> None:
    """What is not there, no model, pickled, cut off or of another kind is refused before anything starts."""
    (empty := tmp_path / "empty").mkdir()
    (pickled := tmp_path / "pickled").mkdir()
    (pickled / "config.json").write_text((tiny_model / "config.json").read_text())
    (pickled / "pytorch_model.bin").write_bytes(b"\x80\x02}q\x00.")
    (cut := tmp_path / "cut").mkdir()
    (cut / "config.json").write_text((tiny_model / "config.json").read_text())
    (cut / "model.safetensors").write_bytes((tiny_model / "model.safetensors").read_bytes()[:5000])

    def code_of(path: Path, kind: str = "causal-lm") -> ExitCode:
        with pytest.raises(AdvisorError) as refused:
            prepare(make_plan({}, model={"kind": kind, "path": str(path)}), tmp_path, package=TOYS)
        return refused.value.code

    bad = [code_of(path) for path in (tmp_path / "none", empty, cut)]
    assert bad == [ExitCode.BAD_INPUT] * 3
    assert code_of(pickled) is ExitCode.REFUSED
    assert code_of(tiny_model, "gguf") is ExitCode.BAD_INPUT
    assert prepare(make_plan({}, model={"kind": "causal-lm", "path": str(tiny_model)}), tmp_path, package=TOYS).plan
