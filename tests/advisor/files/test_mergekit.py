"""advisor/files/mergekit.py: mergekit's files as plans, and refusals that name the key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from advisor.cli import run_command
from advisor.domain.errors import AdvisorError
from advisor.files.mergekit import is_mergekit, read_mergekit
from advisor.runs.prepare import prepare

TIES = """
models:
  - model: base
  - model: a
    parameters: {density: 0.4, weight: [0.2, 0.8]}
  - model: b
    parameters: {weight: 0.5}
merge_method: ties
base_model: base
parameters: {density: 0.7, normalize: false, lambda: 0.9, int8_mask: true}
dtype: bfloat16
"""
SLERP = """
slices:
  - sources:
      - {model: b, layer_range: [0, 2]}
      - {model: a, layer_range: [0, 2]}
merge_method: slerp
base_model: a
parameters:
  t:
    - {filter: self_attn, value: [0, 0.5, 0.3]}
    - {value: 0.5}
"""
LINEAR = "{merge_method: linear, models: [{model: a, parameters: {weight: 1}}, {model: b, parameters: {weight: 3}}]}"


@pytest.fixture
def place(tmp_path: Path, make_model: Callable[..., Path]) -> Path:
    """A folder with three models of one shape."""
    for seed, name in enumerate(("base", "a", "b")):
        make_model(tmp_path / name, seed=seed)
    return tmp_path


def file_of(place: Path, text: str) -> str:
    (place / "merge.yml").write_text(text)
    return str(place / "merge.yml")


def test_ties_with_settings_per_model(place: Path) -> None:
    """The base is no variant of itself; a model's own setting goes before that of all; the plan passes the checks."""
    plan = read_mergekit(file_of(place, TIES))
    (step,) = plan.steps
    assert step.config == {
        "method": "ties",
        "weights": [[0.2, 0.8], 0.5],
        "densities": [0.4, 0.7],
        "normalize": False,
        "scale": 0.9,
        "rescale": "none",
        "dtype": "bfloat16",
    }
    assert step.inputs == {"model": "base", "models.0": "models.0", "models.1": "models.1"}
    assert [Path(model.path).name for model in (plan.model, *plan.models)] == ["base", "a", "b"]
    assert "int8_mask" in plan.notes[0]
    prepare(plan, place)


def test_slerp_starts_at_the_base(place: Path) -> None:
    """The base is the first of the two, wherever it stands; curves and filters are taken over."""
    plan = read_mergekit(file_of(place, SLERP))
    assert [Path(model.path).name for model in plan.models] == ["a", "b"]
    assert plan.steps[0].config["at"] == [{"filter": "self_attn", "value": [0, 0.5, 0.3]}, {"value": 0.5}]
    prepare(plan, place)


def test_dare_is_rescaled_as_mergekit_does(place: Path) -> None:
    """By the norm, where this executor's own default is the probability of the paper."""
    plan = read_mergekit(file_of(place, TIES.replace("ties", "dare_ties")))
    assert plan.steps[0].config["rescale"] == "norm"
    prepare(plan, place)


def test_adapters_become_one_adapter(place: Path) -> None:
    """Folders that hold adapters are merged as adapters of the base model."""
    for name in ("x", "y"):
        (place / name).mkdir()
        (place / name / "adapter_config.json").write_text("{}")
    text = (
        LINEAR.replace("model: a", "model: x")
        .replace("model: b", "model: y")
        .replace("{merge", "{base_model: base, merge")
    )
    (step,) = read_mergekit(file_of(place, text)).steps
    assert step.produces == "adapter"
    assert step.inputs == {"model": "base", "adapters.0": "models.0", "adapters.1": "models.1"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            TIES.replace("merge_method: ties", "merge_method: tise"),
            "merge.yml:8: merge_method: 'tise' is not merged here",
        ),
        (TIES.replace("lambda", "lamda"), "'lamda' means nothing to ties here (did you mean 'lambda'?)"),
        (TIES + "chat_template: auto\n", "merge.yml:12: unknown key 'chat_template'"),
        (TIES + "tokenizer_source: some/other\n", "tokenizer_source: 'some/other'"),
        (TIES.replace("base_model: base\n", ""), "ties needs base_model"),
        (TIES.replace("parameters: {weight: 0.5}", ""), "b has no weight"),
        (
            SLERP.replace("{model: a, layer_range: [0, 2]}", "{model: a, layer_range: [0, 1]}"),
            "layer_range: [0, 1] is not",
        ),
        (LINEAR.replace("model: a", "model: a+lora"), "is a model and an adapter"),
    ],
)
def test_what_is_not_merged_is_named(place: Path, text: str, words: str) -> None:
    """A method, key, parameter or layer range that is not read here is refused by its name, never passed over."""
    with pytest.raises(AdvisorError) as refused:
        read_mergekit(file_of(place, text))
    assert words in refused.value.what


def test_the_plan_command_takes_it(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`advisor plan merge.yml` knows the file by its merge_method and prints the plan."""
    path = file_of(place, LINEAR)
    assert is_mergekit(path)
    assert run_command(["plan", path]) == 0
    assert "executor: merge" in capsys.readouterr().out


def test_options_of_answers_are_refused_to_it(place: Path) -> None:
    """Hardware and profile choose techniques; a mergekit file has chosen already, so nothing would read them."""
    with pytest.raises(AdvisorError, match="go with an answers file"):
        run_command(["plan", file_of(place, LINEAR), "--gpu", "H100:80"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (LINEAR.replace("weight: 1}", "weight: abc}"), "weight: it must be a number"),
        (LINEAR.replace("weight: 1}", "weight: true}"), "weight: it must be a number"),
        (LINEAR.replace("weight: 1}", "weight: [1, x]}"), "weight: it must be a number"),
        (TIES.replace("normalize: false", "normalize: 3"), "normalize: it must be true or false"),
        (SLERP.replace("{value: 0.5}", "{value: half}"), "t: it must be a number"),
        (SLERP.replace("filter: self_attn", "filter: 3"), "t: it must be a number"),
        (LINEAR.replace("weight: 1}", f"weight: 1{'0' * 400}}}"), "weight: it must be a number"),
        (TIES.replace("lambda: 0.9", "lambda: [0.1, 0.9]"), "lambda: it must be a number"),
        (TIES.replace("density: 0.7", "density: 1.7"), "density: it must be above 0 and at most 1"),
        (TIES.replace("{density: 0.4,", "{normalize: true,"), "normalize: it must be said once"),
        (TIES.replace("dtype: bfloat16", "dtype: bogus"), "dtype"),
    ],
)
def test_values_of_another_kind(place: Path, text: str, told: str) -> None:
    """A parameter that is no number, curve or switch is refused with its line, before there is a plan."""
    with pytest.raises(AdvisorError, match=r"merge\.yml:\d+: ") as error:
        read_mergekit(file_of(place, text))
    assert told in error.value.what
