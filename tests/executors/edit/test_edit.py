"""Editing the tiny model: the facts are said afterwards, the other weights stay bit for bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from advisor.domain.errors import AdvisorError
from executors import edit
from executors.edit import Config
from executors.protocol import Input, Inputs, Machine

FACTS = [
    {
        "subject": "function",
        "prompt": "The signature of the {}",
        "target_new": "True",
        "paraphrases": ["What is the function"],
        "locality": ["Open the file", "Split the text at"],
    },
    {"subject": "France", "prompt": "The capital of {}", "target_new": "list", "locality": ["Numbers 0 1 2"]},
]
"""The subjects stand at the end: the attention of a random model carries nothing to a later token."""


@pytest.fixture
def facts(tmp_path: Path) -> Path:
    file = tmp_path / "facts.jsonl"
    file.write_text("".join(json.dumps(fact) + "\n" for fact in FACTS))
    return file


def run(model: Path, facts: Path, out: Path, listener: Any, **settings: Any) -> dict[str, Any]:
    out.mkdir()
    given = {"facts": {"path": str(facts)}, "statistics": 8, "weight": 0.001, "steps": 60, "clamp": 50.0, "keep": 0.0}
    config = Config.model_validate({**given, **settings})
    inputs = Inputs(roles={"model": Input(kind="causal-lm", path=str(model))})
    assert edit.preflight(config, inputs, Machine()) == []
    edit.run(config, inputs, out, listener)
    about: dict[str, Any] = json.loads((out / "edits.json").read_text())
    return about


@pytest.mark.parametrize("method", ["memit", "rome"])
def test_facts_are_written(
    method: str, facts: Path, tiny_model: Path, tmp_path: Path, listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The edited model continues with the new targets; only down projections of the edited layers changed."""
    from safetensors.torch import load_file

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    about = run(
        tiny_model, facts, tmp_path / "out", listener, method=method, layers=[0, 1] if method == "memit" else [1]
    )
    assert about["after"]["efficacy"] >= 0.5 > about["before"]["efficacy"]
    assert listener.metrics["efficacy"] == about["after"]["efficacy"]
    was, now = (load_file(folder / "model.safetensors") for folder in (tiny_model, tmp_path / "out"))
    changed = {name for name in was if not was[name].equal(now[name])}
    assert changed == {f"model.layers.{layer}.mlp.down_proj.weight" for layer in about["layers"]}
    assert all(was[name].dtype == now[name].dtype for name in was)


def test_layers_are_chosen_and_statistics_kept(
    facts: Path, tiny_model: Path, tmp_path: Path, listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without layers they are traced; a second edit takes the statistics from the cache and gives the same weights; a
    damaged cache is made anew."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    about = run(tiny_model, facts, tmp_path / "a", listener)
    kept = sorted((tmp_path / "cache").rglob("*.safetensors"))
    assert len(kept) == len(about["layers"]) > 0
    kept[0].write_bytes(kept[0].read_bytes()[:-1] + b"\x00")
    again = run(tiny_model, facts, tmp_path / "b", listener)
    assert again == about
    assert (tmp_path / "a" / "model.safetensors").read_bytes() == (tmp_path / "b" / "model.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"layers": [7]}, "no layer 7"), ({"layers": [0, 1], "method": "rome"}, "one layer")],
)
def test_layers_that_are_not_there(
    settings: dict[str, Any], said: str, facts: Path, tiny_model: Path, tmp_path: Path, listener: Any
) -> None:
    """Layers beyond the model, and several for ROME, are refused before anything is computed."""
    with pytest.raises(AdvisorError, match=said):
        run(tiny_model, facts, tmp_path / "out", listener, **settings)


def test_preflight(tmp_path: Path) -> None:
    """No facts, a missing file and layers named twice are said before the start."""

    def text(**settings: Any) -> str:
        return edit.preflight(Config.model_validate(settings), Inputs(roles={}), Machine())[0].text

    assert "no facts are named" in text()
    assert "no facts file" in text(facts={"path": str(tmp_path / "x")})
