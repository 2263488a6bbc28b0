"""A small GGUF file made from the tiny model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from executors.models.gguf_names import gguf_name, rotated_heads, to_gguf_rows


def write_gguf(model: Any, tokenizer: Any, path: Path) -> None:
    """Export in float32 with the `gguf` library, by the names and row order of `gguf_names`."""
    import json

    from gguf import GGUFWriter

    shape = model.config
    writer = GGUFWriter(str(path), "llama")
    writer.add_block_count(shape.num_hidden_layers)
    writer.add_context_length(shape.max_position_embeddings)
    writer.add_embedding_length(shape.hidden_size)
    writer.add_feed_forward_length(shape.intermediate_size)
    writer.add_head_count(shape.num_attention_heads)
    writer.add_head_count_kv(shape.num_key_value_heads)
    writer.add_layer_norm_rms_eps(shape.rms_norm_eps)
    writer.add_rope_dimension_count(shape.head_dim)
    writer.add_rope_freq_base(shape.rope_parameters["rope_theta"])
    table = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    special = set(tokenizer.all_special_tokens)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(list(table["vocab"]))
    writer.add_token_types([3 if token in special else 1 for token in table["vocab"]])
    writer.add_token_merges([" ".join(pair) for pair in table["merges"]])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(tokenizer.chat_template)
    for name, tensor in model.state_dict().items():
        target = gguf_name(name)
        if target is None or name == "lm_head.weight":
            continue
        values = tensor.float()
        heads = rotated_heads(target, shape.num_attention_heads, shape.num_key_value_heads)
        writer.add_tensor(target, (to_gguf_rows(values, heads) if heads else values).contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GGUF file of a random two-layer Llama whose vocabulary has exactly as many rows as tokens."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("gguf")
    from tests.conftest import make_tiny_tokenizer

    make_tiny_tokenizer(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        config = LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=512,
            tie_word_embeddings=True,
        )
        model = LlamaForCausalLM(config)
    model.save_pretrained(folder)
    write_gguf(model, tokenizer, folder / "model.gguf")
    return folder / "model.gguf"
