"""Tests of the merge executor against PEFT's own merge."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import IA3Config, LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from advisor.domain.errors import AdvisorError, Severity
from advisor.domain.words import ArtifactKind
from executors import merge
from executors.artifact import sha256_of
from executors.protocol import Input, Inputs, Machine, Stopped

ADAPTERS: dict[str, dict[str, Any]] = {
    "lora": {"target_modules": "all-linear"},
    "rslora": {"target_modules": "all-linear", "use_rslora": True},
    "dora": {"target_modules": "all-linear", "use_dora": True},
    "patterns": {
        "target_modules": ["q_proj", "v_proj"],
        "rank_pattern": {"layers.1.self_attn.q_proj": 2},
        "alpha_pattern": {"v_proj": 5},
    },
    "norms saved whole": {"target_modules": ["q_proj"], "modules_to_save": ["norm"]},
    "embedding saved whole": {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"]},
    "embedding and head": {"target_modules": ["q_proj", "embed_tokens"]},
    "ia3": {"target_modules": ["k_proj", "v_proj", "down_proj"], "feedforward_modules": ["down_proj"]},
    "ia3 and a norm": {"target_modules": ["k_proj"], "feedforward_modules": [], "modules_to_save": ["norm"]},
    "head saved whole": {"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]},
}


def _train(base: Path, folder: Path, options: dict[str, Any]) -> Path:
    """An adapter whose every trainable tensor was moved at random, as after training."""
    torch.manual_seed(7)
    model = AutoModelForCausalLM.from_pretrained(base)
    config = IA3Config(**options) if "feedforward_modules" in options else LoraConfig(r=4, lora_alpha=8, **options)
    peft = get_peft_model(model, config)
    for parameter in peft.parameters():
        if parameter.requires_grad:
            parameter.data += 0.05 * torch.randn_like(parameter)
    peft.save_pretrained(folder)
    return folder


def _inputs(base: Path, adapter: Path) -> Inputs:
    return Inputs(
        roles={
            "model": Input(kind=ArtifactKind.CAUSAL_LM, path=str(base)),
            "adapter": Input(kind=ArtifactKind.ADAPTER, path=str(adapter)),
        }
    )


@pytest.fixture(scope="module")
def lora(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _train(tiny_model, tmp_path_factory.mktemp("lora"), ADAPTERS["lora"])


@pytest.mark.parametrize("name", ADAPTERS)
def test_the_merge_equals_that_of_peft(tiny_model: Path, tmp_path: Path, listener: Any, name: str) -> None:
    """Logits agree with base plus adapter, and weights with PEFT's merge up to the rounding of 16 bits."""
    adapter = _train(tiny_model, tmp_path / "adapter", ADAPTERS[name])
    inputs = _inputs(tiny_model, adapter)
    assert [d for d in merge.preflight(merge.Config(), inputs, Machine()) if d.severity is Severity.DANGER] == []
    merge.run(merge.Config(), inputs, tmp_path / "out", listener)
    assert listener.metrics["parity_kl"] < 1e-4
    assert listener.metrics["parity_top1"] > 0.95

    base = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    expected = PeftModel.from_pretrained(base, adapter).merge_and_unload().state_dict()
    found = AutoModelForCausalLM.from_pretrained(tmp_path / "out").state_dict()
    names = set(found) - ({"lm_head.weight"} if "embedding" in name else set())
    assert names
    for key in names:
        torch.testing.assert_close(found[key].float(), expected[key], rtol=2**-8, atol=1e-6)


def test_ia3_scales_biases_with_the_rows(make_model: Any, tmp_path: Path, listener: Any) -> None:
    """A base with biases and an IA3 adapter on it merge into what PEFT merges: factors of outputs take the bias too."""
    base = make_model(tmp_path / "base", attention_bias=True)
    model = AutoModelForCausalLM.from_pretrained(base)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter)
    model.save_pretrained(base)
    adapter = _train(base, tmp_path / "adapter", ADAPTERS["ia3"])
    merge.run(merge.Config(), _inputs(base, adapter), tmp_path / "out", listener)
    peft = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), adapter)
    expected = peft.merge_and_unload().state_dict()
    found = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32).state_dict()
    assert any(key.endswith("k_proj.bias") for key in found)
    for key in found:
        torch.testing.assert_close(found[key], expected[key], rtol=2**-7, atol=1e-6)


def test_an_ia3_adapter_of_another_width_is_refused(tiny_model: Path, tmp_path: Path, make_model: Any) -> None:
    """Vectors that do not fit the base's weights refuse the merge before anything runs."""
    other = make_model(tmp_path / "other", hidden_size=32)
    adapter = _train(other, tmp_path / "adapter", ADAPTERS["ia3"])
    found = merge.preflight(merge.Config(), _inputs(tiny_model, adapter), Machine())
    assert [d.severity for d in found] == [Severity.DANGER]
    assert "its vector for" in (found[0].because or "")


def test_rounding_happens_once(tiny_model: Path, lora: Path, tmp_path: Path, listener: Any) -> None:
    """Every merged weight is the 32-bit result rounded to bfloat16, bit for bit."""
    merge.run(merge.Config(), _inputs(tiny_model, lora), tmp_path / "out", listener)
    base = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    expected = PeftModel.from_pretrained(base, lora).merge_and_unload().state_dict()
    found = AutoModelForCausalLM.from_pretrained(tmp_path / "out").state_dict()
    assert all(tensor.dtype is torch.bfloat16 for tensor in found.values())
    assert all(torch.equal(tensor, expected[key].bfloat16()) for key, tensor in found.items())


def test_the_tokenizer_travels_with_the_weights(tiny_model: Path, lora: Path, tmp_path: Path, listener: Any) -> None:
    """Tokenizer and chat template of the result are those of the base."""
    merge.run(merge.Config(), _inputs(tiny_model, lora), tmp_path / "out", listener)
    assert (tmp_path / "out" / "tokenizer.json").read_bytes() == (tiny_model / "tokenizer.json").read_bytes()
    assert (tmp_path / "out" / "tokenizer_config.json").is_file()


def test_a_wrong_merge_fails_the_check(
    tiny_model: Path, lora: Path, tmp_path: Path, listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the scale ten times too large the logits disagree and the step fails."""
    monkeypatch.setattr("executors.merge.adapter.lora_scale", lambda alpha, rank, is_rank_stabilized: 10 * alpha / rank)
    with pytest.raises(AdvisorError, match="does not say the same"):
        merge.run(merge.Config(), _inputs(tiny_model, lora), tmp_path / "out", listener)


def test_a_stop_is_honoured(tiny_model: Path, lora: Path, tmp_path: Path, stopping_listener: Any) -> None:
    """Asked to stop, the merge ends between two tensors."""
    with pytest.raises(Stopped):
        merge.run(merge.Config(), _inputs(tiny_model, lora), tmp_path / "out", stopping_listener)


def test_a_stopped_merge_goes_on(
    tiny_model: Path, lora: Path, tmp_path: Path, listener: Any, stopping_listener: Any
) -> None:
    """With a scratch folder the tensors that were finished are not made again, and the bytes are those of one go."""
    given = _inputs(tiny_model, lora)
    kept = given.model_copy(update={"scratch": str(tmp_path / "scratch")})
    with pytest.raises(Stopped):
        merge.run(merge.Config(), kept, tmp_path / "out", stopping_listener)
    merge.run(merge.Config(), kept, tmp_path / "resumed", listener)
    assert listener.lines == ["going on after 1 finished tensors"]
    merge.run(merge.Config(), given, tmp_path / "straight", listener)
    resumed, straight = (sha256_of(tmp_path / place / "model.safetensors") for place in ("resumed", "straight"))
    assert resumed == straight


def _edited(adapter: Path, folder: Path, **changes: Any) -> Path:
    shutil.copytree(adapter, folder)
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**config, **changes}))
    return folder


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"peft_type": "PROMPT_TUNING"}, "of type PROMPT_TUNING"),
        ({"layer_replication": [[0, 2]]}, "layer_replication"),
        ({"init_lora_weights": "pissa_niter_4"}, "pissa"),
    ],
)
def test_what_cannot_be_merged_is_refused_before_anything_runs(
    tiny_model: Path, lora: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    """Other adapter kinds and options that change the base are refused by name."""
    found = merge.preflight(merge.Config(), _inputs(tiny_model, _edited(lora, tmp_path / "a", **changes)), Machine())
    assert [d.severity for d in found] == [Severity.DANGER]
    assert message in found[0].text


def test_an_adapter_of_another_base_is_refused(lora: Path, tmp_path: Path, make_model: Any) -> None:
    """A base of another width is refused, naming a tensor and the base the adapter came from."""
    other = make_model(tmp_path / "other", hidden_size=32)
    found = merge.preflight(merge.Config(), _inputs(other, lora), Machine())
    assert found[0].severity is Severity.DANGER
    assert "does not fit this base" in found[0].text


def test_another_base_name_is_a_warning(tiny_model: Path, lora: Path, tmp_path: Path) -> None:
    """When every shape fits but the name differs, a person is told."""
    adapter = _edited(lora, tmp_path / "a", base_model_name_or_path="someone/other-model")
    found = merge.preflight(merge.Config(), _inputs(tiny_model, adapter), Machine())
    assert [(d.severity, d.code) for d in found] == [(Severity.WARNING, "other-base-name")]


def test_a_low_bit_base_is_refused(tiny_model: Path, lora: Path, tmp_path: Path) -> None:
    """Merging into 4 bits is refused with the way to do it right."""
    folder = tmp_path / "nf4"
    shutil.copytree(tiny_model, folder)
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "bitsandbytes", "load_in_4bit": True}
    (folder / "config.json").write_text(json.dumps(config))
    found = merge.preflight(merge.Config(), _inputs(folder, lora), Machine())
    assert (found[0].severity, found[0].code) == (Severity.DANGER, "quantized-input")
    assert "16-bit" in found[0].hint


def test_no_space_and_no_memory_are_found_before_the_start(tiny_model: Path, lora: Path) -> None:
    """Preflight compares what the result needs with what the machine has."""
    found = merge.preflight(merge.Config(), _inputs(tiny_model, lora), Machine(disk_free_gib=1e-6, ram_free_gib=0.1))
    assert {d.code for d in found} == {"disk-full", "memory"}


def test_a_missing_input_is_named(tiny_model: Path, tmp_path: Path) -> None:
    """No adapter in the plan and no adapter on the disk each have their message."""
    alone = Inputs(roles={"model": Input(kind=ArtifactKind.CAUSAL_LM, path=str(tiny_model))})
    assert "needs an adapter" in merge.preflight(merge.Config(), alone, Machine())[0].text
    assert (
        "no adapter folder" in merge.preflight(merge.Config(), _inputs(tiny_model, tmp_path / "x"), Machine())[0].text
    )
