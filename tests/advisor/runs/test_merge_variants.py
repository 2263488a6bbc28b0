"""A merge of variants from answers to result: the plan names every model, and a worker merges them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from advisor.domain.answers import Answers
from advisor.domain.errors import AdvisorError
from advisor.domain.plan import Plan
from advisor.runs.advise import advise, plan_of
from advisor.runs.launch import launch
from advisor.runs.prepare import prepare
from advisor.runs.state import load_state
from executors.artifact import read_manifest
from tests.toy_runs import wait_for

QUICK = {"max_examples": 2, "seq_len": 64, "multiple_choice": 0, "generate_tokens": 0}


@pytest.fixture(scope="module")
def variants(make_model: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two models of the shape of `tiny_model`, with other weights."""
    return [make_model(tmp_path_factory.mktemp(f"variant{seed}"), seed=seed) for seed in (1, 2)]


def _planned(base: Path, **model: Any) -> Plan:
    said = {"goal": "change-behavior", "model": {"id": str(base), **model}, "data": {"kind": "none", "examples": 0}}
    return plan_of(advise(Answers.model_validate({**said, "hardware": {"gpus": [], "ram_gib": 64}})))


def test_the_plan_names_every_model(tiny_model: Path, variants: list[Path]) -> None:
    """The step starts from the base and from each variant; what a variant brings is no regression of the base."""
    plan = _planned(tiny_model, variants=[str(path) for path in variants])
    assert [model.path for model in plan.models] == [str(path) for path in variants]
    (step,) = plan.steps
    assert step.inputs == {"model": "base", "models.0": "models.0", "models.1": "models.1"}
    assert step.max_regression is None


def test_unnamed_variants_are_asked_for(tiny_model: Path) -> None:
    """A number of variants is enough for advice; to run it, they must be named."""
    with pytest.raises(AdvisorError) as refused:
        _planned(tiny_model, count=2)
    assert "model.variants" in refused.value.why


def test_a_variant_of_another_shape_is_refused_before_the_start(
    tiny_model: Path, variants: list[Path], make_model: Callable[..., Path], tmp_path: Path
) -> None:
    """The models are compared by their headers before anything is started."""
    wide = make_model(tmp_path / "wide", hidden_size=32)
    plan = _planned(tiny_model, variants=[str(variants[0]), str(wide)])
    with pytest.raises(AdvisorError, match="cannot be merged"):
        prepare(plan, tmp_path)


def test_the_merge_runs(tiny_model: Path, variants: list[Path], tmp_path: Path) -> None:
    """The run ends with a model whose manifest names base and variants with their hashes as its parents."""
    plan = _planned(tiny_model, variants=[str(path) for path in variants])
    evaluation = plan.evaluation.model_copy(update={"config": {**plan.evaluation.config, **QUICK}})
    run = launch(prepare(plan.model_copy(update={"evaluation": evaluation}), tmp_path / "run"), tmp_path / "run")
    wait_for(lambda: load_state(run).status != "running", seconds=120)
    assert load_state(run).status == "done"
    manifest = read_manifest(run / "steps" / "01-slerp-merge" / "artifact")
    assert not isinstance(manifest, str)
    assert {role: parent.path for role, parent in manifest.parents.items()} == {
        "model": str(tiny_model),
        "models.0": str(variants[0]),
        "models.1": str(variants[1]),
    }
    assert len({parent.sha256 for parent in manifest.parents.values()}) == 3
