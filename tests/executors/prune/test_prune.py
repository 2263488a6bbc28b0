"""Tests of the prune executor on a tiny model."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from advisor.domain.errors import AdvisorError, Severity
from advisor.domain.words import ArtifactKind
from executors import prune
from executors.activations.text import calibration_ids
from executors.protocol import Input, Inputs, Machine, Stopped

DATA = {"path": "builtin:stdlib", "kind": "text"}


def _inputs(model: Path) -> Inputs:
    return Inputs(roles={"model": Input(kind=ArtifactKind.CAUSAL_LM, path=str(model))})


def _config(**values: Any) -> prune.Config:
    return prune.Config(**{"data": DATA, "sequences": 8, "seq_len": 32, **values})


def _is_target(name: str) -> bool:
    return "proj" in name


@pytest.mark.parametrize("sparsity", [0.25, 0.5, 0.7])
def test_wanda_reaches_the_sparsity_in_every_row(
    tiny_model: Path, tmp_path: Path, listener: Any, sparsity: float
) -> None:
    """Every row of every linear layer loses exactly its share, and no kept weight changes."""
    prune.run(_config(sparsity=sparsity), _inputs(tiny_model), tmp_path / "out", listener)
    before, after = load_file(tiny_model / "model.safetensors"), load_file(tmp_path / "out" / "model.safetensors")
    assert set(before) == set(after)
    for name in filter(_is_target, before):
        zeros = (after[name] == 0).sum(dim=1)
        assert zeros.unique().tolist() == [round(before[name].shape[1] * sparsity)]
        assert torch.equal(after[name][after[name] != 0], before[name][after[name] != 0])
    assert listener.metrics["sparsity"] == pytest.approx(sparsity, abs=0.01)


@pytest.mark.parametrize("sparsity", [0.25, 0.5])
def test_sparsegpt_prunes_every_layer_and_moves_what_stays(
    tiny_model: Path, tmp_path: Path, listener: Any, sparsity: float
) -> None:
    """Every linear layer loses exactly its share, and on the calibration text the output of the whole is nearer to the
    model's than when the same places are set to zero in weights that did not move."""
    config = _config(method="sparsegpt", sparsity=sparsity, sequences=32)
    prune.run(config, _inputs(tiny_model), tmp_path / "out", listener)
    before, after = load_file(tiny_model / "model.safetensors"), load_file(tmp_path / "out" / "model.safetensors")
    moved = 0
    for name in before:
        if not _is_target(name):
            assert torch.equal(before[name], after[name])
            continue
        assert int((after[name] == 0).sum()) == pytest.approx(before[name].numel() * sparsity, abs=2)
        moved += int(((after[name] != 0) & (after[name] != before[name])).sum())
    assert moved > 0
    assert config.data is not None
    ids = calibration_ids(config.data, tiny_model, config.sequences, config.seq_len, listener)
    models = [AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32) for _ in range(3)]
    models[1].load_state_dict({name: value.float() for name, value in after.items()}, strict=False)
    masked = {name: before[name].float() * (after[name] != 0) if _is_target(name) else before[name] for name in before}
    models[2].load_state_dict(masked, strict=False)
    with torch.no_grad():
        hidden = [model.model(ids).last_hidden_state for model in models]
    moved_error, masked_error = ((hidden[n] - hidden[0]).square().mean() for n in (1, 2))
    assert moved_error < 0.9 * masked_error


@pytest.mark.parametrize("method", ["wanda", "sparsegpt", "magnitude"])
def test_two_of_four_holds_in_every_group(tiny_model: Path, tmp_path: Path, listener: Any, method: str) -> None:
    """In every four neighbours of a row exactly two are left."""
    prune.run(_config(method=method, pattern="2:4"), _inputs(tiny_model), tmp_path / "out", listener)
    after = load_file(tmp_path / "out" / "model.safetensors")
    for name in filter(_is_target, after):
        assert ((after[name].reshape(-1, 4) != 0).sum(dim=1) == 2).all()


def test_magnitude_drops_the_smallest_of_each_layer(tiny_model: Path, tmp_path: Path, listener: Any) -> None:
    """Each layer loses exactly its share, and nothing kept is smaller than anything dropped."""
    config = prune.Config(method="magnitude", sparsity=0.3)
    prune.run(config, _inputs(tiny_model), tmp_path / "out", listener)
    before, after = load_file(tiny_model / "model.safetensors"), load_file(tmp_path / "out" / "model.safetensors")
    for name in filter(_is_target, before):
        dropped = after[name] == 0
        assert int(dropped.sum()) == round(dropped.numel() * 0.3)
        assert before[name][dropped].abs().max() <= before[name][~dropped].abs().min()


@pytest.mark.parametrize("tied", [True, False])
def test_embedding_head_and_norms_stay_as_they_are(tmp_path: Path, make_model: Any, listener: Any, tied: bool) -> None:
    """Nothing outside the blocks' linear layers changes, tied or not."""
    model = make_model(tmp_path / "model", tie_word_embeddings=tied)
    prune.run(_config(), _inputs(model), tmp_path / "out", listener)
    before, after = load_file(model / "model.safetensors"), load_file(tmp_path / "out" / "model.safetensors")
    assert ("lm_head.weight" in after) is not tied
    for name in before:
        assert _is_target(name) or torch.equal(before[name], after[name])


def test_wanda_follows_the_inputs_not_only_the_weights(tmp_path: Path, make_model: Any, listener: Any) -> None:
    """A feature whose input is always zero loses its weights however large they are."""
    model = make_model(tmp_path / "model")
    weights = load_file(model / "model.safetensors")
    weights["model.layers.0.input_layernorm.weight"][5] = 0
    weights["model.layers.0.self_attn.q_proj.weight"][:, 5] = 9.0
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    prune.run(_config(), _inputs(model), tmp_path / "out", listener)
    after = load_file(tmp_path / "out" / "model.safetensors")
    assert (after["model.layers.0.self_attn.q_proj.weight"][:, 5] == 0).all()


def test_later_layers_are_calibrated_on_the_pruned_model(tmp_path: Path, make_model: Any, listener: Any) -> None:
    """With every value projection pruned to zero influence, the output projection sees what is really left of it."""
    model = make_model(tmp_path / "model")
    weights = load_file(model / "model.safetensors")
    value = weights["model.layers.0.self_attn.v_proj.weight"]
    value[0] = 0
    value[0, :2] = torch.tensor([1e-3, 1e-3], dtype=value.dtype)
    weights["model.layers.0.input_layernorm.weight"][:2] = 0
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    prune.run(_config(), _inputs(model), tmp_path / "out", listener)
    after = load_file(tmp_path / "out" / "model.safetensors")
    # Value feature 0 feeds the heads 0 and 1 of four (two share one key-value head), at offset 0 of 16 each.
    dead = after["model.layers.0.self_attn.o_proj.weight"][:, [0, 16]]
    assert (dead == 0).all()


def test_the_result_loads_in_transformers(tiny_model: Path, tmp_path: Path, listener: Any) -> None:
    """Another library loads it, tokenizer included, and its logits are finite."""
    prune.run(_config(), _inputs(tiny_model), tmp_path / "out", listener)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert torch.isfinite(model(torch.tensor([[1, 5, 9]])).logits).all()
    assert (tmp_path / "out" / "tokenizer.json").is_file()


@pytest.mark.parametrize("method", ["wanda", "sparsegpt"])
def test_the_ledger_counts_every_zero(tiny_model: Path, tmp_path: Path, listener: Any, method: str) -> None:
    """Each pruned tensor stands in the ledger with the zeros that are really in the file, and no other tensor does."""
    prune.run(_config(method=method, sparsity=0.4), _inputs(tiny_model), tmp_path / "out", listener)
    ledger = prune.ledger(tmp_path / "out")
    assert ledger is not None
    after = load_file(tmp_path / "out" / "model.safetensors")
    assert set(ledger["tensors"]) == set(filter(_is_target, after))
    for name, entry in ledger["tensors"].items():
        assert entry["zeros"] == int((after[name] == 0).sum())
        assert entry["fraction"] == pytest.approx(entry["zeros"] / after[name].numel(), abs=1e-6)
    assert prune.ledger(tiny_model) is None


def test_progress_counts_blocks(tiny_model: Path, tmp_path: Path, listener: Any) -> None:
    """Two blocks, two reports, in layers."""
    prune.run(_config(), _inputs(tiny_model), tmp_path / "out", listener)
    assert listener.positions == [(1, 2, "layers"), (2, 2, "layers")]


def test_a_stop_is_honoured_between_blocks(tiny_model: Path, tmp_path: Path, stopping_listener: Any) -> None:
    """Asked to stop after the first block, no second one is begun."""
    with pytest.raises(Stopped):
        prune.run(_config(), _inputs(tiny_model), tmp_path / "out", stopping_listener)
    assert len(stopping_listener.positions) == 1


@pytest.mark.parametrize(
    "values",
    [
        {"sparsity": 0},
        {"sparsity": 1.0},
        {"sparsity": 0.3, "pattern": "2:4"},
        {"data": None},
        {"data": None, "method": "sparsegpt"},
        {"sequences": 0},
        {"x": 1},
    ],
)
def test_settings_that_make_no_sense_are_refused(values: dict[str, Any]) -> None:
    """Out of range, contradictory, missing or unknown settings never reach a model."""
    with pytest.raises(ValidationError):
        _config(**values)


def test_nan_weights_are_refused_by_name(tmp_path: Path, make_model: Any, listener: Any) -> None:
    """A damaged model is refused with the name of the tensor."""
    model = make_model(tmp_path / "model")
    weights = load_file(model / "model.safetensors")
    weights["model.layers.1.mlp.up_proj.weight"][3, 3] = float("nan")
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(AdvisorError, match=r"layers\.1\.mlp\.up_proj\.weight holds NaN"):
        prune.run(prune.Config(method="magnitude"), _inputs(model), tmp_path / "out", listener)


@pytest.mark.parametrize("method", ["wanda", "sparsegpt"])
def test_a_model_that_computes_nan_is_refused(tmp_path: Path, make_model: Any, listener: Any, method: str) -> None:
    """A norm so large that activations overflow is refused where it shows, instead of pruning by nonsense."""
    model = make_model(tmp_path / "model")
    weights = load_file(model / "model.safetensors")
    weights["model.layers.0.post_attention_layernorm.weight"][:] = 3e38
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(AdvisorError, match=r"layers\.0\.mlp\.gate_proj \(its input\)"):
        prune.run(_config(method=method), _inputs(model), tmp_path / "out", listener)


def test_preflight_refuses_unknown_architectures_and_small_machines(tiny_model: Path, tmp_path: Path) -> None:
    """An architecture that cannot be run block by block, too little disk, too little memory: each is found first."""
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace('"model_type": "llama"', '"model_type": "mamba"'))
    found = prune.preflight(_config(), _inputs(folder), Machine(disk_free_gib=1e-6, ram_free_gib=0.1))
    assert {d.code for d in found} == {"unknown-architecture", "disk-full", "memory"}
    assert all(d.severity is Severity.DANGER and d.text for d in found)
    assert prune.preflight(_config(method="magnitude"), _inputs(folder), Machine()) == []


def test_preflight_refuses_text_shorter_than_a_sequence(tiny_model: Path, tmp_path: Path) -> None:
    """Four short rows do not fill a calibration sequence: said before anything is loaded, with what to do."""
    short = tmp_path / "short.jsonl"
    short.write_text("".join(f'{{"text": "A short text, number {n}."}}\n' for n in range(4)))
    config = _config(data={"path": str(short), "kind": "text"}, seq_len=2048)
    (found,) = prune.preflight(config, _inputs(tiny_model), Machine())
    assert found.code == "short-calibration" and "seq_len" in found.hint


def test_preflight_refuses_what_is_no_model(tmp_path: Path) -> None:
    """A missing role and a missing folder have one clear message each."""
    assert prune.preflight(_config(), Inputs(roles={}), Machine())[0].code == "missing-input"
    assert "no model folder" in prune.preflight(_config(), _inputs(tmp_path / "x"), Machine())[0].text
