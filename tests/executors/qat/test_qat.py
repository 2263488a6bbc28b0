"""Quantization-aware training of the tiny model, loaded back by transformers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from executors import finetune, prune, qat, quantize
from executors.protocol import Input, Inputs, Machine, Stopped
from executors.tensors.folder import open_model

Build = Callable[..., qat.Config]


@pytest.fixture
def config(tiny_data: Path) -> Build:
    def make(**changes: Any) -> qat.Config:
        settings: dict[str, Any] = {
            "data": {"path": str(tiny_data), "kind": "instructions", "held_out": 0.2},
            "max_steps": 12,
            "micro_batch": 4,
            "seq_len": 96,
            "learning_rate": 5e-3,
            "rank": 8,
        }
        return qat.Config.model_validate({**settings, **changes})

    return make


@pytest.fixture
def inputs(tiny_model: Path, tmp_path: Path) -> Inputs:
    model = Input(kind="causal-lm", path=str(tiny_model))
    return Inputs(roles={"model": model}, seed=1, threads=1, scratch=str(tmp_path / "scratch"))


def _loss(config: Any, path: Path, kind: str = "quantized-lm") -> float:
    from executors.datasets import load
    from executors.datasets.render import encode
    from executors.metrics.answers import answer_losses, mean_loss
    from executors.models.load import load_model

    loaded = load_model(kind, str(path))
    return mean_loss(answer_losses(loaded.model, encode(load(config.data, "held-out"), loaded.tokenizer, 96)))


@pytest.mark.parametrize("method", ["full", "lora"])
def test_it_learns_and_transformers_loads_the_result(
    method: str, config: Build, inputs: Inputs, tmp_path: Path, listener: Any
) -> None:
    """A folder in 4 bits whose held-out loss is the one last measured in training, and well below the start's."""
    settings = config(method=method, max_steps=40, learning_rate=5e-3 if method == "full" else 2e-2)
    qat.run(settings, inputs, tmp_path / "out", listener)
    after = _loss(settings, tmp_path / "out")
    assert after < _loss(settings, Path(inputs.path("model")), "causal-lm") - 0.05
    assert listener.metrics["held_out_loss"] == pytest.approx(after, abs=0.05)
    assert open_model(tmp_path / "out").quantized == "compressed-tensors"
    packed = load_file(tmp_path / "out" / "model.safetensors")["model.layers.0.mlp.up_proj.weight_packed"]
    assert (packed.dtype, packed.shape) == (torch.int32, (128, 8))


def test_at_three_bits_it_beats_rounding_afterwards(
    config: Build, inputs: Inputs, tmp_path: Path, listener: Any
) -> None:
    """The same training with the rounding in it ends lower than fine-tuned first and rounded by GPTQ afterwards."""
    plain = {"method": "full", "max_steps": 40, "learning_rate": 5e-3}
    tuned = finetune.Config.model_validate({**config(**plain).model_dump(exclude={"bits", "group_size"})})
    finetune.run(tuned, inputs, tmp_path / "tuned", listener)
    after = Inputs(roles={"model": Input(kind="causal-lm", path=str(tmp_path / "tuned"))})
    quantized = quantize.Config(
        format="gptq", bits=3, data={"path": "builtin:stdlib", "kind": "text"}, sequences=8, seq_len=32
    )
    quantize.run(quantized, after, tmp_path / "rounded", listener)
    apart = inputs.model_copy(update={"scratch": str(tmp_path / "apart")})
    qat.run(config(**plain, bits=3), apart, tmp_path / "aware", listener)
    assert _loss(tuned, tmp_path / "aware") < _loss(tuned, tmp_path / "rounded")


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_stop_is_saved_and_gone_on_from(
    method: str, config: Build, inputs: Inputs, tmp_path: Path, listener: Any, stopping_listener: Any
) -> None:
    """Stopped after the first step and started again it ends with the bytes of an unbroken training."""
    settings = config(method=method, max_steps=4)
    qat.run(settings, inputs, tmp_path / "whole", listener)
    broken = inputs.model_copy(update={"scratch": str(tmp_path / "broken")})
    with pytest.raises(Stopped):
        qat.run(settings, broken, tmp_path / "out", stopping_listener)
    qat.run(settings, broken, tmp_path / "out", listener)
    files = [tmp_path / name / "model.safetensors" for name in ("whole", "out")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_zeros_of_a_pruned_model_stay(config: Build, inputs: Inputs, tmp_path: Path, listener: Any) -> None:
    """Trained after pruning, every zero is still one, and the ledger is carried on."""
    prune.run(prune.Config(method="magnitude"), inputs, tmp_path / "sparse", listener)
    roles = {"model": Input(kind="sparse-lm", path=str(tmp_path / "sparse"))}
    qat.run(config(max_steps=2), inputs.model_copy(update={"roles": roles}), tmp_path / "out", listener)
    before, after = prune.ledger(tmp_path / "sparse"), prune.ledger(tmp_path / "out")
    assert before is not None and after is not None
    assert after["reached"] >= before["reached"]


def test_preflight_finds_what_cannot_work(config: Build, inputs: Inputs, tmp_path: Path, make_model: Any) -> None:
    """Widths that no group divides, low-bit models, missing data, several processes: refused before the start."""
    assert qat.preflight(config(), inputs, Machine()) == []
    (found,) = qat.preflight(config(group_size=128), inputs, Machine())
    assert found.code == "group-size" and "64" in found.hint
    missing = config(data={"path": str(tmp_path / "none.jsonl"), "kind": "instructions"})
    assert [d.code for d in qat.preflight(missing, inputs, Machine())] == ["data"]
    assert [d.code for d in qat.preflight(config(processes=2), inputs, Machine())] == ["processes"]
    quantized = make_model(tmp_path / "quantized")
    content = json.loads((quantized / "config.json").read_text())
    (quantized / "config.json").write_text(json.dumps({**content, "quantization_config": {"quant_method": "gptq"}}))
    other = inputs.model_copy(update={"roles": {"model": Input(kind="quantized-lm", path=str(quantized))}})
    assert qat.preflight(config(), other, Machine())[0].code == "quantized-input"


def test_settings_that_make_no_sense_are_refused(config: Build) -> None:
    """Bits that are not offered, methods that cannot be merged, and dropout in front of a merge."""
    for bad in ({"bits": 2}, {"bits": 16}, {"method": "qlora"}, {"method": "lora", "dropout": 0.1}, {"group_size": 48}):
        with pytest.raises(ValidationError):
            config(**bad)


def test_nan_weights_end_the_step(
    config: Build, inputs: Inputs, tmp_path: Path, make_model: Any, listener: Any
) -> None:
    """A damaged model is never trained on: its first loss is no number."""
    from advisor.domain.errors import AdvisorError

    model = make_model(tmp_path / "model")
    weights = load_file(model / "model.safetensors")
    weights["model.layers.0.self_attn.k_proj.weight"][3, 3] = float("nan")
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    broken = inputs.model_copy(update={"roles": {"model": Input(kind="causal-lm", path=str(model))}})
    with pytest.raises(AdvisorError, match=r"NaN|nan"):
        qat.run(config(), broken, tmp_path / "out", listener)
