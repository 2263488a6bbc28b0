"""Tests of merging several models, on tiny ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from advisor.domain.errors import AdvisorError, Severity
from advisor.domain.words import ArtifactKind
from executors import merge
from executors.merge.methods import METHODS, WITH_BASE, Mix, ties
from executors.merge.vectors import Held
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
        held = Held([first[name].float().numpy(), second[name].float().numpy()], base[name].float().numpy())
        parts = [values for _, values in ties(held, Mix((0.7, 0.3), (0.4, 0.4)))]
        expected = torch.from_numpy(np.concatenate(parts)).reshape(base[name].shape).bfloat16()
        assert torch.equal(merged[name], expected)


def test_large_tensors_are_merged_alike(
    family: list[Path], tmp_path: Path, listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read part by part from the files, never held whole, every method gives the same bytes."""
    from executors.merge import vectors

    for method in METHODS:
        inputs = _inputs(family[0] if method in WITH_BASE else None, *family[1:])
        merge.run(merge.Config(method=method), inputs, tmp_path / method, listener)
    monkeypatch.setattr(vectors, "KEPT", 1000)
    for method in METHODS:
        inputs = _inputs(family[0] if method in WITH_BASE else None, *family[1:])
        merge.run(merge.Config(method=method), inputs, tmp_path / f"{method}-parts", listener)
        files = [tmp_path / place / "model.safetensors" for place in (method, f"{method}-parts")]
        assert files[0].read_bytes() == files[1].read_bytes(), method


def test_settings_may_differ_by_layer_and_tensor(family: list[Path], tmp_path: Path, listener: Any) -> None:
    """A curve over the layers and filters by name: each tensor is mixed with its own number."""
    at = [{"filter": "self_attn", "value": [0.0, 1.0]}, {"value": 0.5}]
    config = merge.Config(method="slerp", at=at)
    merge.run(config, _inputs(None, *family[1:]), tmp_path / "out", listener)
    first, second = (load_file(path / "model.safetensors") for path in family[1:])
    merged = load_file(tmp_path / "out" / "model.safetensors")
    name = "model.layers.{}.self_attn.q_proj.weight"
    assert torch.equal(merged[name.format(0)], first[name.format(0)])
    assert torch.equal(merged[name.format(1)], second[name.format(1)])
    assert not torch.equal(merged["model.embed_tokens.weight"], first["model.embed_tokens.weight"])


def test_the_result_may_have_another_type(family: list[Path], tmp_path: Path, listener: Any) -> None:
    """In 32 bits the mean is the mean, and the configuration says so."""
    merge.run(merge.Config(method="linear", dtype="float32"), _inputs(None, *family[1:]), tmp_path / "out", listener)
    first, second = (load_file(path / "model.safetensors") for path in family[1:])
    for name, tensor in load_file(tmp_path / "out" / "model.safetensors").items():
        torch.testing.assert_close(tensor, (first[name].float() + second[name].float()) / 2)
    assert json.loads((tmp_path / "out" / "config.json").read_text())["dtype"] == "float32"


def test_damaged_weights_are_refused(family: list[Path], tmp_path: Path, listener: Any, make_model: Any) -> None:
    """A model that holds NaN is named by the tensor, and nothing is called a result."""
    from safetensors.torch import save_file

    bad = make_model(tmp_path / "bad", seed=7)
    weights = load_file(bad / "model.safetensors")
    weights["model.norm.weight"][3] = float("nan")
    save_file(weights, bad / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(AdvisorError, match=r"model\.norm\.weight holds NaN"):
        merge.run(merge.Config(method="linear"), _inputs(None, family[1], bad), tmp_path / "out", listener)


def test_another_chat_template_is_told(family: list[Path], tmp_path: Path, make_model: Any) -> None:
    """Models trained on different templates can be mixed, and the person hears of it before."""
    other = make_model(tmp_path / "other", seed=6)
    (other / "chat_template.jinja").write_text("{{ messages }}")
    found = merge.preflight(merge.Config(method="linear"), _inputs(None, family[1], other), Machine())
    assert [(d.severity, d.code) for d in found] == [(Severity.WARNING, "other-chat-template")]


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
        ({"method": "linear"}, _inputs(None, family[1], turned), "rotary positions"),
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
        {"method": "linear", "scale": 2.0},
        {"method": "ties", "densities": (0.5, 2.0)},
        {"method": "slerp", "at": (0.0, 1.5)},
    ],
)
def test_settings_that_make_no_sense_are_refused(values: dict[str, Any]) -> None:
    """A setting the method does not read, or out of its range, is an error and never ignored."""
    with pytest.raises(ValidationError):
        merge.Config(**values)
