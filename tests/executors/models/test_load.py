"""Loading models for computing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from advisor.domain.errors import AdvisorError, ExitCode
from advisor.domain.words import ArtifactKind
from executors.models.load import find_folder, gguf_path, load_model


def copied(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def test_a_folder_and_a_gguf_file_load(tiny_model: Path, tiny_gguf: Path) -> None:
    """Every kind gives a model in evaluation mode, its tokenizer and its size on disk."""
    for kind, path in ((ArtifactKind.CAUSAL_LM, tiny_model), (ArtifactKind.GGUF, tiny_gguf)):
        loaded = load_model(kind, str(path), "fp32")
        assert not loaded.model.training
        assert loaded.tokenizer.chat_template
        assert loaded.bytes > 100_000
        assert str(loaded.model.dtype) == "torch.float32"


def test_models_with_code_are_refused(tiny_model: Path, tmp_path: Path) -> None:
    """A folder whose configuration asks for its own Python code is refused for safety."""
    folder = copied(tiny_model, tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "evil.Model"}}))
    with pytest.raises(AdvisorError) as caught:
        load_model(ArtifactKind.CAUSAL_LM, str(folder))
    assert caught.value.code == ExitCode.REFUSED


def test_pickles_are_refused(tiny_model: Path, tmp_path: Path) -> None:
    """A pickle is refused under its own name and under that of safetensors."""
    import torch

    folder = copied(tiny_model, tmp_path)
    torch.save({"x": torch.ones(1)}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(AdvisorError, match="safetensors"):
        load_model(ArtifactKind.CAUSAL_LM, str(folder))
    (folder / "pytorch_model.bin").rename(folder / "model.safetensors")
    with pytest.raises(AdvisorError, match=r"model\.safetensors"):
        load_model(ArtifactKind.CAUSAL_LM, str(folder))


def test_a_tokenizer_of_another_model_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    """A tokenizer that knows more tokens than the model has rows is refused."""
    from transformers import AutoTokenizer

    folder = copied(tiny_model, tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([f"<extra{number}>" for number in range(200)])
    tokenizer.save_pretrained(folder)
    with pytest.raises(AdvisorError, match="does not fit"):
        load_model(ArtifactKind.CAUSAL_LM, str(folder))


def test_missing_models_are_named(tmp_path: Path) -> None:
    """A path and a hub id that are not on this machine are errors that name them."""
    for path in (str(tmp_path / "nothing"), "nobody/no-such-model"):
        with pytest.raises(AdvisorError) as caught:
            find_folder(path)
        assert path in caught.value.what


def test_a_folder_of_several_gguf_files_is_ambiguous(tmp_path: Path) -> None:
    """A folder must hold exactly one GGUF file."""
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).touch()
    with pytest.raises(AdvisorError, match="no GGUF file"):
        gguf_path(str(tmp_path))


def test_an_adapter_of_another_base_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    """An adapter whose shapes do not fit the model is refused, not loaded in part."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    other = LlamaForCausalLM(LlamaConfig(vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                                         num_attention_heads=4, num_key_value_heads=2))  # fmt: skip
    torch.manual_seed(0)
    get_peft_model(other, LoraConfig(r=2, target_modules=["q_proj"])).save_pretrained(tmp_path / "adapter")
    with pytest.raises(AdvisorError, match="does not fit"):
        load_model(ArtifactKind.CAUSAL_LM, str(tiny_model), adapter=str(tmp_path / "adapter"))
