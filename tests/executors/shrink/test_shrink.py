"""Tests of the shrink executor on a tiny model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, MistralConfig, MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM

from advisor.domain.errors import AdvisorError
from advisor.domain.words import ArtifactKind
from executors import shrink
from executors.protocol import Input, Inputs, Machine, Stopped
from executors.shrink.plan import kept_layers

DATA = {"path": "builtin:stdlib", "kind": "text"}
IDS = torch.tensor([[1, 5, 9, 44, 100, 7]])


def _inputs(model: Path) -> Inputs:
    return Inputs(roles={"model": Input(kind=ArtifactKind.CAUSAL_LM, path=str(model))})


def _config(**values: Any) -> shrink.Config:
    return shrink.Config(**{"data": DATA, "sequences": 8, "seq_len": 32, **values})


def _silence(model: Path, edit: Any) -> dict[str, torch.Tensor]:
    weights = load_file(model / "model.safetensors")
    edit(weights)
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    return weights


def test_width_makes_a_smaller_model_that_transformers_loads(tiny_model: Path, tmp_path: Path, listener: Any) -> None:
    """Heads, groups and neurons shrink as the configuration says, and the tied embedding stays as it is."""
    shrink.run(_config(neurons=0.25, heads=0.5), _inputs(tiny_model), tmp_path / "out", listener)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32)
    config = model.config
    assert (config.num_attention_heads, config.num_key_value_heads, config.head_dim) == (2, 1, 16)
    assert config.intermediate_size == 96
    assert torch.isfinite(model(IDS).logits).all()
    before, after = load_file(tiny_model / "model.safetensors"), load_file(tmp_path / "out" / "model.safetensors")
    assert set(before) == set(after)
    assert torch.equal(before["model.embed_tokens.weight"], after["model.embed_tokens.weight"])
    assert after["model.layers.0.self_attn.q_proj.weight"].shape == (32, 64)
    assert listener.positions == [(1, 2, "layers"), (2, 2, "layers")]


@pytest.mark.parametrize("refit", [True, False])
def test_what_is_dead_goes_first_and_costs_nothing(tmp_path: Path, make_model: Any, listener: Any, refit: bool) -> None:
    """Neurons and a key-value group that never say anything are the ones removed: the logits stay."""
    model = make_model(tmp_path / "model")

    def edit(weights: dict[str, torch.Tensor]) -> None:
        for layer in range(2):
            weights[f"model.layers.{layer}.mlp.up_proj.weight"][10:42] = 0
            weights[f"model.layers.{layer}.self_attn.v_proj.weight"][:16] = 0

    before = _silence(model, edit)
    shrink.run(_config(neurons=0.25, heads=0.5, refit=refit), _inputs(model), tmp_path / "out", listener)
    after = load_file(tmp_path / "out" / "model.safetensors")
    kept = [*range(10), *range(42, 128)]
    name = "model.layers.1.mlp.up_proj.weight"
    assert torch.equal(after[name], before[name][kept])
    name = "model.layers.0.self_attn.k_proj.weight"
    assert torch.equal(after[name], before[name][16:])
    name = "model.layers.0.self_attn.q_proj.weight"
    assert torch.equal(after[name], before[name][32:])
    logits = [
        AutoModelForCausalLM.from_pretrained(p, dtype=torch.float32)(IDS).logits for p in (model, tmp_path / "out")
    ]
    torch.testing.assert_close(logits[0], logits[1], atol=2e-2, rtol=2e-2)


def test_refit_keeps_the_output_nearer(tiny_model: Path, tmp_path: Path, listener: Any) -> None:
    """With least squares the smaller model's hidden states are nearer to the model's than by removal alone."""
    from executors.activations.text import calibration_ids

    config = _config(neurons=0.5, sequences=32)
    errors = []
    ids = calibration_ids(config.data, tiny_model, 32, 32, listener)
    whole = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32).model
    for refit in (True, False):
        out = tmp_path / str(refit)
        shrink.run(_config(neurons=0.5, sequences=32, refit=refit), _inputs(tiny_model), out, listener)
        cut = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32).model
        with torch.no_grad():
            errors.append((whole(ids).last_hidden_state - cut(ids).last_hidden_state).square().mean())
    assert errors[0] < 0.95 * errors[1]


def test_one_group_loses_query_heads(tmp_path: Path, make_model: Any, listener: Any) -> None:
    """Where all heads share one key-value group, the group stays and heads of it go."""
    model = make_model(tmp_path / "model", num_key_value_heads=1)
    shrink.run(_config(neurons=0, heads=0.5), _inputs(model), tmp_path / "out", listener)
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert (config["num_attention_heads"], config["num_key_value_heads"]) == (2, 1)
    assert torch.isfinite(AutoModelForCausalLM.from_pretrained(tmp_path / "out")(IDS).logits).all()


@pytest.mark.parametrize(
    ("config_class", "model_class", "extra"),
    [(Qwen2Config, Qwen2ForCausalLM, {}), (MistralConfig, MistralForCausalLM, {"sliding_window": None})],
)
@pytest.mark.parametrize("method", ["width", "depth"])
def test_other_architectures(
    tmp_path: Path, tiny_model: Path, listener: Any, config_class: Any, model_class: Any, extra: Any, method: str
) -> None:
    """Biases are cut with their rows, kinds of layers with their layers; transformers loads the result."""
    import shutil

    shape = {"vocab_size": 512, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    folder = tmp_path / "model"
    model_class(config_class(**shape, **heads, **extra)).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        if (tiny_model / name).is_file():
            shutil.copyfile(tiny_model / name, folder / name)
    settings = {"neurons": 0.25, "heads": 0.5} if method == "width" else {"layers": 0.34}
    shrink.run(_config(method=method, **settings), _inputs(folder), tmp_path / "out", listener)
    model, report = AutoModelForCausalLM.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not report["missing_keys"] and not report["mismatched_keys"] and not report["unexpected_keys"]
    assert torch.isfinite(model(IDS).logits).all()


def test_depth_removes_the_layer_that_does_nothing(tmp_path: Path, make_model: Any, listener: Any) -> None:
    """A layer whose projections are zero passes its input on: it goes, later layers move up, the logits stay."""
    model = make_model(tmp_path / "model", num_hidden_layers=4)

    def edit(weights: dict[str, torch.Tensor]) -> None:
        for part in ("self_attn.o_proj", "mlp.down_proj"):
            weights[f"model.layers.1.{part}.weight"].zero_()
            for layer in (0, 2, 3):
                weights[f"model.layers.{layer}.{part}.weight"] *= 8

    before = _silence(model, edit)
    shrink.run(_config(method="depth", layers=0.25), _inputs(model), tmp_path / "out", listener)
    assert kept_layers(tmp_path / "out") == [0, 2, 3] and kept_layers(model) is None
    after = load_file(tmp_path / "out" / "model.safetensors")
    assert torch.equal(after["model.layers.1.mlp.up_proj.weight"], before["model.layers.2.mlp.up_proj.weight"])
    small = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32)
    assert small.config.num_hidden_layers == 3
    whole = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    assert torch.equal(whole(IDS).logits, small(IDS).logits)


def test_perplexity_measures_the_rise_of_the_loss(tmp_path: Path, make_model: Any, listener: Any) -> None:
    """The importance of a layer is the loss of the model written without it, minus the loss of the whole."""
    from executors.activations.text import calibration_ids
    from executors.shrink.depth import measure_layers
    from executors.shrink.plan import cut_of
    from executors.tensors.folder import open_model

    model = make_model(tmp_path / "model", num_hidden_layers=3, dtype="float32")
    config = _config(method="depth", layers=0.3, measure="perplexity")
    scores = measure_layers(config, cut_of(config, open_model(model)), listener)
    ids = calibration_ids(config.data, model, config.sequences, config.seq_len, listener)
    whole = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    with torch.no_grad():
        base = whole(ids, labels=ids).loss
        for index, score in enumerate(scores):
            small = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
            del small.model.layers[index]
            assert float(small(ids, labels=ids, use_cache=False).loss - base) == pytest.approx(score, abs=0.02)


@pytest.mark.parametrize("measure", ["influence", "perplexity"])
@pytest.mark.parametrize("is_killed", [False, True])
def test_a_depth_pass_goes_on_where_it_was_kept(
    tmp_path: Path, make_model: Any, listener: Any, monkeypatch: pytest.MonkeyPatch, measure: str, is_killed: bool
) -> None:
    """Stopped, or killed after a state was kept, the pass goes on behind the last kept block to the same scores; a
    state of other settings does not count."""
    from executors.shrink.depth import measure_layers
    from executors.shrink.plan import cut_of
    from executors.tensors import kept
    from executors.tensors.folder import open_model
    from tests.executors.conftest import Listener

    model = make_model(tmp_path / "model", num_hidden_layers=5)
    config = _config(method="depth", layers=0.3, measure=measure)
    cut, scratch = cut_of(config, open_model(model)), str(tmp_path / "scratch")

    class Dying(Listener):
        def progress(self, done: float, *told: Any) -> None:
            super().progress(done, *told)
            if is_killed and done == 4:
                raise KeyboardInterrupt

    monkeypatch.setattr(kept, "STATE_SECONDS", 0.0 if is_killed else 1000.0)
    with pytest.raises(KeyboardInterrupt if is_killed else Stopped):
        measure_layers(config, cut, Dying(None if is_killed else 2), scratch)
    assert len(list((tmp_path / "scratch" / "blocks").iterdir())) == 1
    found = measure_layers(config, cut, listener, scratch)
    assert listener.positions[0][0] == (4 if is_killed else 3)
    assert found == measure_layers(config, cut, Listener())
    other = _config(method="depth", layers=0.3, measure=measure, sequences=3)
    fresh = Listener()
    measure_layers(other, cut, fresh, scratch)
    assert fresh.positions[0][0] == 1


def test_a_stop_is_honoured(tiny_model: Path, tmp_path: Path, stopping_listener: Any) -> None:
    """Asked to stop after the first block, no second one is begun."""
    with pytest.raises(Stopped):
        shrink.run(_config(), _inputs(tiny_model), tmp_path / "out", stopping_listener)
    with pytest.raises(Stopped):
        shrink.run(_config(method="depth"), _inputs(tiny_model), tmp_path / "deep", stopping_listener)


@pytest.mark.parametrize(
    "values",
    [
        {"neurons": 1.0},
        {"neurons": -0.1},
        {"neurons": 0, "heads": 0},
        {"method": "depth", "neurons": 0.3},
        {"method": "depth", "layers": 1.0},
        {"layers": 0.2},
        {"x": 1},
    ],
)
def test_settings_that_make_no_sense_are_refused(values: dict[str, Any]) -> None:
    """Shares out of range and settings of the other method never reach a model."""
    with pytest.raises(ValidationError):
        _config(**values)


def test_preflight_refuses_what_cannot_be_cut(tiny_model: Path, tmp_path: Path) -> None:
    """Unknown architecture, quantized weights, one layer, a share that rounds to nothing, text shorter than a sequence:
    each is found before anything is loaded."""

    def codes(change: dict[str, Any], **values: Any) -> list[str]:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        for file in tiny_model.iterdir():
            (folder / file.name).symlink_to(file)
        config = {**json.loads((tiny_model / "config.json").read_text()), **change}
        (folder / "config.json").unlink()
        (folder / "config.json").write_text(json.dumps(config))
        return [d.code for d in shrink.preflight(_config(**values), _inputs(folder), Machine())]

    assert codes({}) == []
    assert codes({"model_type": "mamba"}) == ["cannot-be-cut"]
    assert codes({"quantization_config": {"quant_method": "gptq"}}) == ["quantized-input"]
    assert codes({"num_hidden_layers": 1}, method="depth") == ["cannot-be-cut"]
    assert codes({}, neurons=0.05) == ["cannot-be-cut"]
    short = tmp_path / "short.jsonl"
    short.write_text("".join(f'{{"text": "A short text, number {n}."}}\n' for n in range(4)))
    assert codes({}, data={"path": str(short), "kind": "text"}, seq_len=2048) == ["short-calibration"]


def test_a_milder_cut_takes_less_until_it_is_little() -> None:
    """Two thirds of each share; below a twentieth there is none."""
    assert shrink.milder(_config(neurons=0.3, heads=0.3)) == {"neurons": 0.2, "heads": 0.2}
    assert shrink.milder(_config(method="depth", layers=0.2)) == {"layers": 0.13}
    assert shrink.milder(_config(method="depth", layers=0.06)) is None


def test_nan_weights_are_refused_by_name(tmp_path: Path, make_model: Any, listener: Any) -> None:
    """A damaged model is refused with the name of the tensor."""
    model = make_model(tmp_path / "model")
    _silence(model, lambda w: w["model.layers.1.mlp.up_proj.weight"][3].fill_(float("nan")))
    with pytest.raises(AdvisorError, match=r"layers\.1"):
        shrink.run(_config(), _inputs(model), tmp_path / "out", listener)
    with pytest.raises(AdvisorError, match=r"layers\.1"):
        shrink.run(_config(method="depth"), _inputs(model), tmp_path / "deep", listener)
