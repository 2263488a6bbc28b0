"""Tests of the quantize executor on a tiny model: every result is loaded by a library that did not write it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from gguf import GGUFReader
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from advisor.domain.errors import AdvisorError, Severity
from advisor.domain.words import ArtifactKind
from executors import quantize
from executors.export.gguf_write import verify_gguf, write_gguf
from executors.protocol import Input, Inputs, Machine, Stopped
from executors.tensors.folder import open_model

GGUF_FORMS = ["F16", "Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0"]


def _inputs(model: Path, kind: ArtifactKind = ArtifactKind.CAUSAL_LM) -> Inputs:
    return Inputs(roles={"model": Input(kind=kind, path=str(model))})


def _config(**values: Any) -> quantize.Config:
    return quantize.Config(**values)


@pytest.mark.parametrize("form", GGUF_FORMS)
@pytest.mark.parametrize("tied", [True, False])
def test_gguf_holds_the_model_within_its_rounding(
    tmp_path: Path, make_model: Any, listener: Any, form: str, tied: bool
) -> None:
    """The step checks every tensor and the logits itself; file, sizes and table of contents are as the form says."""
    model = make_model(tmp_path / "model", tie_word_embeddings=tied)
    quantize.run(_config(format="gguf", type=form), _inputs(model), tmp_path / "out", listener)
    (file,) = (tmp_path / "out").glob("*.gguf")
    kinds = {tensor.name: tensor.tensor_type.name for tensor in GGUFReader(str(file)).tensors}
    assert kinds["blk.0.ffn_up.weight"] == form
    assert kinds["token_embd.weight"] == ("Q8_0" if form[:2] in ("Q4", "Q5") else form)
    assert kinds["output_norm.weight"] == "F32"
    assert ("output.weight" in kinds) is not tied
    assert listener.metrics["parity_kl"] < 0.01
    assert listener.metrics["bytes"] == file.stat().st_size


@pytest.mark.parametrize("form", GGUF_FORMS)
def test_gguf_read_back_by_the_importer_gives_model_and_tokenizer(
    tiny_model: Path, tmp_path: Path, listener: Any, form: str
) -> None:
    """Imported again the file gives the same ids and template, and F16 the same logits."""
    from executors.models.gguf_import import load_gguf

    quantize.run(_config(format="gguf", type=form), _inputs(tiny_model), tmp_path / "out", listener)
    model, tokenizer = load_gguf(tmp_path / "out" / f"model-{form}.gguf", torch.float32)
    original = AutoTokenizer.from_pretrained(tiny_model)
    text = "def f(x): return 12 + x  # naïve <|im_end|>"
    assert tokenizer(text).input_ids == original(text).input_ids
    assert tokenizer.chat_template == original.chat_template
    ids = torch.tensor([original(text).input_ids])
    expected = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)(ids).logits
    tolerance = 1e-4 if form == "F16" else 0.2
    torch.testing.assert_close(model(ids).logits, expected, rtol=0, atol=tolerance)


def test_a_flipped_byte_is_found_by_the_check(tiny_model: Path, tmp_path: Path, listener: Any) -> None:
    """One changed byte in the data fails the comparison with the source, naming the tensor."""
    model, file = open_model(tiny_model), tmp_path / "model.gguf"
    write_gguf(model, file, "Q8_0", listener)
    place = next(t for t in GGUFReader(str(file)).tensors if t.name == "blk.1.ffn_down.weight").data_offset
    content = bytearray(file.read_bytes())
    content[place + 3] ^= 0xFF
    file.write_bytes(content)
    with pytest.raises(AdvisorError, match="does not hold what was written") as caught:
        verify_gguf(model, file, "Q8_0")
    assert "blk.1.ffn_down.weight" in caught.value.why


@pytest.mark.parametrize("form", ["bnb-int8", "bnb-nf4"])
def test_bitsandbytes_saves_and_reloads_with_equal_logits(
    tiny_model: Path, tmp_path: Path, listener: Any, form: str
) -> None:
    """Transformers reloads the folder; the step itself has shown that the logits did not change in saving."""
    out = tmp_path / "out"
    quantize.run(_config(format=form), _inputs(tiny_model), out, listener)
    again = AutoModelForCausalLM.from_pretrained(out)
    assert again.config.quantization_config is not None
    assert AutoTokenizer.from_pretrained(out).chat_template == AutoTokenizer.from_pretrained(tiny_model).chat_template
    logits = again(torch.tensor([[1, 5, 9]])).logits.float()
    expected = AutoModelForCausalLM.from_pretrained(tiny_model)(torch.tensor([[1, 5, 9]])).logits.float()
    assert torch.nn.functional.cosine_similarity(logits, expected, dim=-1).min() > 0.9
    assert open_model(out).quantized == "bitsandbytes"
    assert listener.metrics["parity_kl"] < 0.05


def test_a_quantized_model_is_not_quantized_again(tiny_model: Path, tmp_path: Path, listener: Any) -> None:
    """What comes out of one low-bit step is refused by the next, with what to start from."""
    out = tmp_path / "out"
    quantize.run(_config(format="bnb-nf4"), _inputs(tiny_model), out, listener)
    found = quantize.preflight(_config(format="gguf"), _inputs(out), Machine())
    assert (found[0].severity, found[0].code) == (Severity.DANGER, "quantized-input")


@pytest.mark.parametrize(
    "values", [{"format": "gptq"}, {"format": "bnb-nf4", "type": "Q8_0"}, {"format": "gguf", "type": "Q2"}]
)
def test_settings_that_make_no_sense_are_refused(values: dict[str, Any]) -> None:
    """Unknown formats and types, and a GGUF type for another format, are errors."""
    with pytest.raises(ValidationError):
        _config(**values)


@pytest.mark.parametrize("form", ["gguf", "bnb-int8"])
def test_no_space_and_no_memory_are_found_before_the_start(tiny_model: Path, form: str) -> None:
    """Preflight compares what the result needs with what the machine has."""
    machine = Machine(disk_free_gib=1e-7, ram_free_gib=0.1)
    found = quantize.preflight(_config(format=form), _inputs(tiny_model), machine)
    assert {d.code for d in found} == {"disk-full", "memory"}
    assert quantize.preflight(_config(format=form), _inputs(tiny_model), Machine(disk_free_gib=9, ram_free_gib=9)) == []


def test_preflight_refuses_what_gguf_cannot_hold(tiny_model: Path, tmp_path: Path) -> None:
    """An architecture that cannot be written is refused before anything is read."""
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "qwen2"}))
    assert quantize.preflight(_config(format="gguf"), _inputs(folder), Machine())[0].code == "not-exportable"
    assert quantize.preflight(_config(format="bnb-int8"), _inputs(folder), Machine()) == []


def test_zeros_of_a_pruned_model_are_told_to_be_stored(tiny_model: Path) -> None:
    """A sparse model may be quantized, but a person is told that it gets no smaller for it."""
    found = quantize.preflight(_config(format="gguf"), _inputs(tiny_model, ArtifactKind.SPARSE_LM), Machine())
    assert [(d.severity, d.code) for d in found] == [(Severity.WARNING, "zeros-stored")]


def test_numbers_too_large_for_f16_are_refused(tmp_path: Path, make_model: Any, listener: Any) -> None:
    """A weight above 65504 is refused with the type that holds it."""
    model = make_model(tmp_path / "model")
    weights = load_file(model / "model.safetensors")
    weights["model.layers.0.mlp.up_proj.weight"][0, 0] = 1e5
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(AdvisorError, match="too large for 16-bit") as caught:
        write_gguf(open_model(model), tmp_path / "x.gguf", "F16", listener)
    assert "Q8_0" in caught.value.hint


def test_a_stop_is_honoured_between_tensors(tiny_model: Path, tmp_path: Path, stopping_listener: Any) -> None:
    """Asked to stop, no second tensor is written."""
    with pytest.raises(Stopped):
        write_gguf(open_model(tiny_model), tmp_path / "x.gguf", "Q8_0", stopping_listener)
    assert len(stopping_listener.positions) == 1
