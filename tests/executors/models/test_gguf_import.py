"""A model from a GGUF file."""

from __future__ import annotations

from pathlib import Path

import pytest

from advisor.domain.errors import AdvisorError
from executors.models.gguf_import import load_gguf, save_folder

TEXTS = ("What is the signature of `os.path.join`?", "<|im_start|>user\nHi 1234!<|im_end|>\n", "naïve café 漢字\n\n  x")


def test_logits_and_tokens_equal_the_origin(tiny_gguf: Path) -> None:
    """A model exported to GGUF and read back gives the same tokens and bit-equal logits."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    origin = AutoModelForCausalLM.from_pretrained(tiny_gguf.parent, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(tiny_gguf.parent)
    model, rebuilt = load_gguf(tiny_gguf, torch.float32)
    for text in TEXTS:
        ids = tokenizer(text, return_tensors="pt").input_ids
        assert rebuilt(text).input_ids == ids[0].tolist()
        with torch.inference_mode():
            assert torch.equal(model(ids).logits, origin(ids).logits)
    assert rebuilt.chat_template == tokenizer.chat_template
    assert (rebuilt.bos_token_id, rebuilt.eos_token_id) == (1, 2)


def test_the_folder_loads_in_transformers(tiny_gguf: Path, tmp_path: Path) -> None:
    """The safetensors folder made from a GGUF file is an ordinary, unquantized model that can be saved again."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    save_folder(tiny_gguf, tmp_path / "out", torch.bfloat16)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert model.dtype == torch.bfloat16
    assert not hasattr(model.config, "quantization_config")
    model.save_pretrained(tmp_path / "again")
    assert AutoTokenizer.from_pretrained(tmp_path / "out").chat_template


def test_other_architectures_are_refused(tmp_path: Path) -> None:
    """A GGUF file of another architecture is refused by its name."""
    import torch
    from gguf import GGUFWriter

    writer = GGUFWriter(str(tmp_path / "a.gguf"), "mamba")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(AdvisorError, match="mamba"):
        load_gguf(tmp_path / "a.gguf", torch.float32)


def test_a_missing_tensor_is_named(tiny_gguf: Path, tmp_path: Path) -> None:
    """A file that lacks a tensor its own description promises is refused with the tensor's name."""
    import torch

    damaged = tiny_gguf.read_bytes().replace(b"blk.1.ffn_up.weight", b"blk.1.ffn_xx.weight")
    (tmp_path / "a.gguf").write_bytes(damaged)
    with pytest.raises(AdvisorError) as caught:
        load_gguf(tmp_path / "a.gguf", torch.float32)
    assert "model.layers.1.mlp.up_proj.weight" in caught.value.why
