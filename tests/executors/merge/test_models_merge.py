"""Tests of merging several models, on tiny ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from advisor.domain.errors import Severity
from advisor.domain.words import ArtifactKind
from executors import merge
from executors.merge.methods import METHODS, WITH_BASE, Mix, ties
from executors.protocol import Input, Inputs, Machine


@pytest.fixture(scope="module")
def family(tiny_model: Path, make_model: Any, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A base and two other models of its shape."""
    return [tiny_model, *(make_model(tmp_path_factory.mktemp(f"variant{n}"), seed=n) for n in (1, 2))]


def _inputs(base: Path | None, *models: Path) -> Inputs:
    roles = {f"models.{n}": Input(kind=ArtifactKind.CAUSAL_LM, path=str(path)) for n, path in enumerate(models)}
    if base:
        roles["model"] = Input(kind=ArtifactKind.CAUSAL_LM, path=str(base))
    return Inputs(roles=roles)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_a_model_that_loads(family: list[Path], tmp_path: Path, listener: Any, method: str) -> None:
    """Transformers loads the result, which is none of its parents, in their type."""
    inputs = _inputs(family[0] if method in WITH_BASE else None, *family[1:])
    config = merge.Config(method=method)
    assert merge.preflight(config, inputs, Machine(disk_free_gib=9, ram_free_gib=9)) == []
    merge.run(config, inputs, tmp_path / "out", listener)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert torch.isfinite(model(torch.tensor([[1, 5, 9]])).logits).all()
    merged = load_file(tmp_path / "out" / "model.safetensors")
    for parent in family:
        weights = load_file(parent / "model.safetensors")
        assert not torch.equal(weights["model.embed_tokens.weight"], merged["model.embed_tokens.weight"])
    assert {tensor.dtype for tensor in merged.values()} == {torch.bfloat16}


def test_streaming_equals_the_function_on_each_tensor(family: list[Path], tmp_path: Path, listener: Any) -> None:
    """The folder holds what TIES gives for each tensor alone, rounded once."""
    merge.run(
        merge.Config(method="ties", weights=(0.7, 0.3), density=0.4), _inputs(*family), tmp_path / "out", listener
    )
    base, first, second = (load_file(path / "model.safetensors") for path in family)
    merged = load_file(tmp_path / "out" / "model.safetensors")
    for name in base:
        expected = ties(base[name], [first[name], second[name]], Mix((0.7, 0.3), 0.4)).bfloat16()
        assert torch.equal(merged[name], expected)


def test_what_is_drawn_depends_on_the_seed_alone(family: list[Path], tmp_path: Path, listener: Any) -> None:
    """The same seed gives the same bytes, another seed others."""
    files = []
    for number, seed in enumerate((3, 3, 4)):
        inputs = _inputs(*family).model_copy(update={"seed": seed})
        merge.run(merge.Config(method="dare-linear"), inputs, tmp_path / str(number), listener)
        files.append((tmp_path / str(number) / "model.safetensors").read_bytes())
    assert files[0] == files[1] != files[2]


def test_models_that_do_not_fit_are_refused(family: list[Path], tmp_path: Path, make_model: Any) -> None:
    """Another width, another rope, too few models, no base, wrong number of weights: one clear refusal each."""
    wide = make_model(tmp_path / "wide", hidden_size=32)
    turned = make_model(tmp_path / "turned", rope_parameters={"rope_type": "default", "rope_theta": 5e5})
    cases = [
        ({"method": "linear"}, _inputs(None, family[1], wide), "hidden_size"),
        ({"method": "linear"}, _inputs(None, family[1], turned), "rope_parameters"),
        ({"method": "linear"}, _inputs(None, family[1]), "two or more"),
        ({"method": "slerp"}, _inputs(None, *family), "exactly two"),
        ({"method": "ties"}, _inputs(None, *family[1:]), "all others were trained from"),
        ({"method": "linear", "weights": (1.0,)}, _inputs(None, *family[1:]), "1 weights are given for 2"),
    ]
    for values, inputs, message in cases:
        found = merge.preflight(merge.Config(**values), inputs, Machine())
        assert [d.severity for d in found] == [Severity.DANGER]
        assert message in f"{found[0].text} {found[0].because}"


def test_other_vocabularies_are_refused(family: list[Path], tmp_path: Path, make_model: Any) -> None:
    """Equal shapes under another tokenizer would mix the meaning of tokens."""
    other = make_model(tmp_path / "other", seed=5)
    content = json.loads((other / "tokenizer.json").read_text())
    vocabulary = content["model"]["vocab"]
    a, b = list(vocabulary)[300:302]
    vocabulary[a], vocabulary[b] = vocabulary[b], vocabulary[a]
    (other / "tokenizer.json").write_text(json.dumps(content))
    found = merge.preflight(merge.Config(method="linear"), _inputs(None, family[1], other), Machine())
    assert "different vocabularies" in found[0].because


@pytest.mark.parametrize(
    "values",
    [
        {"method": "linear", "density": 0.5},
        {"method": "ties", "at": 0.5},
        {"method": "slerp", "weights": (1.0, 1.0)},
        {"method": "linear", "weights": (1.0, -1.0)},
        {"method": "ties", "density": 0},
        {"method": "mean"},
    ],
)
def test_settings_that_make_no_sense_are_refused(values: dict[str, Any]) -> None:
    """A setting the method does not read, or out of its range, is an error and never ignored."""
    with pytest.raises(ValidationError):
        merge.Config(**values)
