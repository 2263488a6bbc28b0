"""Tests of the compressed-tensors formats on a tiny model: what transformers makes of the folder decides."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from advisor.domain.errors import AdvisorError
from advisor.domain.words import ArtifactKind
from executors import prune, quantize
from executors.models.load import load_model
from executors.protocol import Input, Inputs, Machine, Stopped
from executors.quantize.compressed_form import Form
from executors.quantize.compressed_source import CompressedSource
from executors.tensors.folder import open_model

DATA = {"path": "builtin:stdlib", "kind": "text"}
FORMS = {
    "gptq-4": ({"format": "gptq"}, Form("pack-quantized", 4, 64), 0.02),
    "gptq-4-32": ({"format": "gptq", "bits": 4, "group_size": 32}, Form("pack-quantized", 4, 32), 0.02),
    "gptq-8": ({"format": "gptq", "bits": 8}, Form("pack-quantized", 8, 64), 1e-3),
    "gptq-3": ({"format": "gptq", "bits": 3, "group_size": 16}, Form("pack-quantized", 3, 16), 0.1),
    "gptq-4-asymmetric": ({"format": "gptq", "symmetric": False}, Form("pack-quantized", 4, 64, False), 0.02),
    "awq-4": ({"format": "awq"}, Form("pack-quantized", 4, 64, False), 0.02),
    "awq-3": ({"format": "awq", "bits": 3, "group_size": 32}, Form("pack-quantized", 3, 32, False), 0.1),
    "awq-8": ({"format": "awq", "bits": 8}, Form("pack-quantized", 8, 64), 1e-3),
    "int8-w8a8": ({"format": "int8-w8a8"}, Form("int-quantized", 8), 1e-3),
    "fp8": ({"format": "fp8", "data": None}, Form("float-quantized", 8), 3e-3),
}
EACH = pytest.mark.parametrize("name", list(FORMS))


def _config(**values: Any) -> quantize.Config:
    return quantize.Config(**{"data": DATA, "sequences": 8, "seq_len": 32, **values})


def _inputs(model: Path, kind: ArtifactKind = ArtifactKind.CAUSAL_LM) -> Inputs:
    return Inputs(roles={"model": Input(kind=kind, path=str(model))})


@EACH
@pytest.mark.parametrize("tied", [True, False])
def test_transformers_loads_what_was_written(
    tmp_path: Path, make_model: Any, listener: Any, name: str, tied: bool
) -> None:
    """Loaded as an evaluation loads it, its weights are the stored integers times their scales, and no other tensor
    changed, the output head least of all."""
    values, form, kl = FORMS[name]
    model, out = make_model(tmp_path / "model", tie_word_embeddings=tied), tmp_path / "out"
    quantize.run(_config(**values), _inputs(model), out, listener)
    loaded = load_model(ArtifactKind.QUANTIZED_LM, str(out), precision="bf16").model
    loaded(torch.tensor([[1, 5, 9]]))
    found = loaded.state_dict()
    source = CompressedSource(open_model(out), form)
    for tensor, before in load_file(model / "model.safetensors").items():
        follows = name.startswith("awq") and "layernorm" in tensor
        expected = source.read(tensor) if "proj" in tensor or follows else before
        assert torch.equal(found[tensor], expected), tensor
    assert listener.metrics["parity_kl"] < kl
    assert open_model(out).quantized == "compressed-tensors"


@EACH
def test_it_answers_like_the_source(tiny_model: Path, tmp_path: Path, listener: Any, name: str) -> None:
    """Transformers' own forward pass, activations rounded where the format says so, stays near the dense model's."""
    values, _, _ = FORMS[name]
    quantize.run(_config(**values), _inputs(tiny_model), tmp_path / "out", listener)
    ids = torch.arange(3, 200).unsqueeze(0)
    dense = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.bfloat16)(ids).logits.float()
    found = AutoModelForCausalLM.from_pretrained(tmp_path / "out")(ids).logits.float()
    assert torch.nn.functional.cosine_similarity(found, dense, dim=-1).min() > 0.9


@EACH
def test_a_large_model_is_checked_block_by_block(
    tiny_model: Path, tmp_path: Path, listener: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """What is too large to be loaded whole is compared by its stored weights, to nearly the same figure."""
    from executors.quantize import to_compressed

    quantize.run(_config(**FORMS[name][0]), _inputs(tiny_model), tmp_path / "whole", listener)
    whole = listener.metrics["parity_kl"]
    monkeypatch.setattr(to_compressed, "RELOADED", 0)
    monkeypatch.setattr(to_compressed, "load_model", None)
    quantize.run(_config(**FORMS[name][0]), _inputs(tiny_model), tmp_path / "streamed", listener)
    assert listener.metrics["parity_kl"] == pytest.approx(whole, rel=0.3, abs=3e-4)


def test_four_bits_take_a_quarter(tiny_model: Path, tmp_path: Path, listener: Any) -> None:
    """Every linear layer is stored as words of eight integers, with one 16-bit scale for 64 of them."""
    quantize.run(_config(format="gptq"), _inputs(tiny_model), tmp_path / "out", listener)
    tensors = load_file(tmp_path / "out" / "model.safetensors")
    base = "model.layers.0.mlp.down_proj"
    assert (tensors[f"{base}.weight_packed"].dtype, tensors[f"{base}.weight_packed"].shape) == (torch.int32, (64, 16))
    assert (tensors[f"{base}.weight_scale"].dtype, tensors[f"{base}.weight_scale"].shape) == (torch.bfloat16, (64, 2))
    assert tensors[f"{base}.weight_shape"].tolist() == [64, 128]
    assert f"{base}.weight" not in tensors
    assert listener.metrics["bytes"] == open_model(tmp_path / "out").bytes


def test_three_bits_are_three_bits(tiny_model: Path, tmp_path: Path, listener: Any) -> None:
    """Thirty-two integers of three bits take three words, and zeros of groups are packed along the rows."""
    quantize.run(_config(format="awq", bits=3), _inputs(tiny_model), tmp_path / "out", listener)
    tensors = load_file(tmp_path / "out" / "model.safetensors")
    base = "model.layers.0.mlp.down_proj"
    assert tensors[f"{base}.weight_packed"].shape == (64, 128 * 3 // 32)
    assert tensors[f"{base}.weight_zero_point"].shape == (64 * 3 // 32, 2)


@pytest.mark.parametrize("form", ["gptq", "awq", "int8-w8a8"])
def test_zeros_of_a_pruned_model_stay(tiny_model: Path, tmp_path: Path, listener: Any, form: str) -> None:
    """Quantized after pruning, every zero is still one, and the ledger is carried on."""
    prune.run(
        prune.Config(data=DATA, sequences=8, seq_len=32, method="sparsegpt"),
        _inputs(tiny_model), tmp_path / "sparse", listener,
    )  # fmt: skip
    inputs = _inputs(tmp_path / "sparse", ArtifactKind.SPARSE_LM)
    quantize.run(_config(format=form), inputs, tmp_path / "out", listener)
    before, after = prune.ledger(tmp_path / "sparse"), prune.ledger(tmp_path / "out")
    assert before is not None and after is not None
    assert before["tensors"].keys() == after["tensors"].keys()
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    loaded(torch.tensor([[1]]))
    for name, weight in load_file(tmp_path / "sparse" / "model.safetensors").items():
        if "proj" in name:
            assert (loaded.state_dict()[name][weight == 0] == 0).all()


def test_a_changed_integer_is_found(tiny_model: Path, tmp_path: Path, listener: Any) -> None:
    """The check after writing compares every integer: one flipped bit fails it by name."""
    from executors.quantize import to_compressed

    out = tmp_path / "out"
    quantize.run(_config(format="gptq"), _inputs(tiny_model), out, listener)
    form = FORMS["gptq-4"][1]
    name = "model.layers.1.mlp.up_proj.weight_packed"
    tensors = load_file(out / "model.safetensors")
    digests = {name: to_compressed.digest_of(tensors[name])}
    tensors[name][5, 3] ^= 1
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(AdvisorError) as caught:
        to_compressed._check(open_model(tiny_model), open_model(out), form, digests, listener)
    assert name in caught.value.why


@EACH
def test_progress_counts_blocks_and_a_stop_is_honoured(
    tiny_model: Path, tmp_path: Path, listener: Any, stopping_listener: Any, name: str
) -> None:
    """Two blocks, two reports; asked to stop after the first, no second is begun."""
    config = _config(**FORMS[name][0])
    quantize.run(config, _inputs(tiny_model), tmp_path / "out", listener)
    assert listener.positions == [(1, 2, "layers"), (2, 2, "layers")]
    with pytest.raises(Stopped):
        quantize.run(config, _inputs(tiny_model), tmp_path / "stopped", stopping_listener)
    assert len(stopping_listener.positions) == 1


@EACH
def test_nan_weights_are_refused_by_name(tmp_path: Path, make_model: Any, listener: Any, name: str) -> None:
    """A damaged model is refused with the name of the tensor."""
    model = make_model(tmp_path / "model")
    weights = load_file(model / "model.safetensors")
    weights["model.layers.0.self_attn.k_proj.weight"][3, 3] = float("nan")
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(AdvisorError, match=r"layers\.0\.self_attn\.k_proj\.weight holds NaN"):
        quantize.run(_config(**FORMS[name][0]), _inputs(model), tmp_path / "out", listener)


@pytest.mark.parametrize(
    "values",
    [
        {"format": "gptq", "data": None},
        {"format": "int8-w8a8", "data": None},
        {"format": "awq", "data": None},
        {"format": "gptq", "bits": 2},
        {"format": "awq", "bits": 5},
        {"format": "gptq", "group_size": 100},
        {"format": "awq", "group_size": 0},
        {"format": "int8-w8a8", "symmetric": True},
        {"format": "fp8", "bits": 8},
        {"format": "int8-w8a8", "group_size": 64},
        {"format": "gptq", "type": "Q8_0"},
    ],
)
def test_settings_that_make_no_sense_are_refused(values: dict[str, Any]) -> None:
    """Missing calibration data, and bits or groups that are not offered for the format."""
    with pytest.raises(ValidationError):
        _config(**values)


@EACH
def test_preflight_finds_what_cannot_work(tiny_model: Path, tmp_path: Path, make_model: Any, name: str) -> None:
    """An architecture with other layers, too little disk and memory: each is found before the start."""
    config = _config(**FORMS[name][0])
    small = Machine(disk_free_gib=1e-7, ram_free_gib=0.1)
    assert {d.code for d in quantize.preflight(config, _inputs(tiny_model), small)} == {"disk-full", "memory"}
    assert quantize.preflight(config, _inputs(tiny_model), Machine(disk_free_gib=9, ram_free_gib=9)) == []
    other = tmp_path / "other"
    shutil.copytree(tiny_model, other)
    content = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**content, "model_type": "mixtral"}))
    assert [d.code for d in quantize.preflight(config, _inputs(other), Machine())] == ["unknown-architecture"]


def test_a_group_that_does_not_divide_is_refused_with_one_that_does(tmp_path: Path, make_model: Any) -> None:
    """Width 96: groups of 64 are refused, 32 is named, and is taken when nothing is said."""
    model = make_model(tmp_path / "model", hidden_size=96)
    (found,) = quantize.preflight(_config(format="gptq", group_size=64), _inputs(model), Machine())
    assert found.code == "group-size" and "32" in found.hint
    assert quantize.preflight(_config(format="gptq"), _inputs(model), Machine()) == []


def test_awq_takes_biases_along(tmp_path: Path, make_model: Any, listener: Any) -> None:
    """Where rows of a layer are scaled, so is its bias: the model with biases still answers as before."""
    model = make_model(tmp_path / "model", attention_bias=True)
    weights = load_file(model / "model.safetensors")
    name = "model.layers.0.self_attn.v_proj.bias"
    for bias in [key for key in weights if key.endswith("bias")]:
        weights[bias] = torch.linspace(-1, 1, len(weights[bias])).bfloat16()
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    quantize.run(_config(format="awq", bits=8), _inputs(model), tmp_path / "out", listener)
    assert not torch.equal(load_file(tmp_path / "out" / "model.safetensors")[name], weights[name])
    assert listener.metrics["parity_kl"] < 1e-3


def test_awq_narrows_no_range_of_queries_and_keys(
    tmp_path: Path, tiny_model: Path, listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five of the seven layers of a block have their ranges searched; queries and keys reach their largest weights."""
    from executors.quantize import awq_blocks

    seen: list[tuple[int, ...]] = []

    def counted(weight: torch.Tensor, *told: Any) -> Any:
        seen.append(tuple(weight.shape))
        return awq.clipped(weight, *told)

    from executors.quantize import awq

    monkeypatch.setattr(awq_blocks, "clipped", counted)
    quantize.run(_config(format="awq"), _inputs(tiny_model), tmp_path / "out", listener)
    kv, width, inner = 32, 64, 128
    assert seen == [(kv, width), (width, width), (inner, width), (inner, width), (width, inner)] * 2
