"""What no quantization starts from: refused before a weight is read, with what to do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from advisor.domain.errors import Severity
from executors import quantize
from executors.protocol import Input, Inputs, Machine

DATA = {"path": "builtin:stdlib", "kind": "text"}
FORMATS = ["gptq", "awq", "int8-w8a8", "fp8", "gguf", "bnb-int8", "bnb-nf4"]
EACH = pytest.mark.parametrize("form", FORMATS)


def _config(form: str, **values: Any) -> quantize.Config:
    data = {"data": DATA} if form in quantize.CALIBRATED else {}
    return quantize.Config(**{"format": form, "sequences": 8, "seq_len": 32, **data, **values})


def _inputs(model: Path, kind: str = "causal-lm") -> Inputs:
    return Inputs(roles={"model": Input(kind=kind, path=str(model))})


def _copy(model: Path, to: Path, **changes: Any) -> Path:
    shutil.copytree(model, to)
    content = json.loads((to / "config.json").read_text())
    (to / "config.json").write_text(json.dumps({**content, **changes}))
    return to


@EACH
def test_a_quantized_model_is_refused(tiny_model: Path, tmp_path: Path, form: str) -> None:
    """Low-bit weights are not rounded again; the 16-bit ones are asked for."""
    model = _copy(tiny_model, tmp_path / "m", quantization_config={"quant_method": "gptq"})
    (found,) = quantize.preflight(_config(form), _inputs(model, "quantized-lm"), Machine())
    assert (found.severity, found.code) == (Severity.DANGER, "quantized-input")
    assert "unquantized" in found.hint


@EACH
def test_missing_shards_are_named(tiny_model: Path, tmp_path: Path, form: str) -> None:
    """An index that names a file that is not there: the file is named."""
    model = _copy(tiny_model, tmp_path / "m")
    names = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (model / "model.safetensors").rename(model / names["a"])
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    (found,) = quantize.preflight(_config(form), _inputs(model), Machine())
    assert (found.severity, found.code) == (Severity.DANGER, "unusable-model")
    assert names["b"] in found.text and found.hint


@EACH
def test_a_truncated_file_is_named(tiny_model: Path, tmp_path: Path, form: str) -> None:
    """Cut short by a few bytes, the weight file is refused by name."""
    model = _copy(tiny_model, tmp_path / "m")
    file = model / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-7])
    (found,) = quantize.preflight(_config(form), _inputs(model), Machine())
    assert found.code == "unusable-model" and "model.safetensors" in found.text


@pytest.mark.parametrize("form", sorted(quantize.CALIBRATED))
def test_text_shorter_than_a_sequence_is_refused(tiny_model: Path, tmp_path: Path, form: str) -> None:
    """Four short rows do not fill a sequence of 2048 tokens, which is known before anything is loaded."""
    short = tmp_path / "short.jsonl"
    short.write_text("".join(f'{{"text": "A short text, number {n}."}}\n' for n in range(4)))
    data = {"path": str(short), "kind": "text"}
    found = quantize.preflight(_config(form, data=data, seq_len=2048), _inputs(tiny_model), Machine())
    assert [one.code for one in found] == ["short-calibration"]
    assert "seq_len" in found[0].hint


@pytest.mark.parametrize("form", ["gptq", "awq"])
@pytest.mark.parametrize("group", [128, 256, 512, 1024])
def test_a_group_wider_than_a_layer_is_refused(tiny_model: Path, form: str, group: int) -> None:
    """Groups that do not divide the width of every layer are refused with one that does."""
    (found,) = quantize.preflight(_config(form, group_size=group), _inputs(tiny_model), Machine())
    assert found.code == "group-size" and "group_size: 64" in found.hint


@EACH
def test_an_adapter_alone_is_refused(tiny_model: Path, form: str) -> None:
    """There is nothing whole to quantize before it is merged."""
    (found,) = quantize.preflight(_config(form), _inputs(tiny_model, "adapter"), Machine())
    assert found.code == "wrong-kind" and "merge" in found.hint


@pytest.mark.parametrize(("form", "wider"), [("Q4_0", "Q5_0"), ("Q4_1", "Q5_0"), ("Q5_0", "Q8_0"), ("Q8_0", "F16")])
def test_a_gguf_is_tried_again_in_a_wider_form_that_keeps_zeros(form: str, wider: str) -> None:
    """A refused GGUF gets the next wider form that keeps a pruned model's zeros and needs no llama.cpp."""
    assert quantize.milder(quantize.Config.model_validate({"format": "gguf", "type": form})) == {"type": wider}


def test_nothing_is_milder_than_sixteen_bits() -> None:
    """F16 and 8 bits of a format have no milder form."""
    assert quantize.milder(quantize.Config.model_validate({"format": "gguf", "type": "F16"})) is None
    assert (
        quantize.milder(
            quantize.Config.model_validate(
                {"format": "gptq", "bits": 8, "data": {"path": "builtin:stdlib", "kind": "text"}}
            )
        )
        is None
    )
