"""A transformers model from a GGUF file of architecture `llama`: in memory, or as a safetensors folder.

Weights are decoded to float32 and then stored in the type asked for; nothing stays quantized. Other architectures
are refused by name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from advisor.domain.errors import AdvisorError
from executors.models.gguf_file import GgufFile, open_gguf
from executors.models.gguf_names import rotated_heads, to_transformers_rows, transformers_name
from executors.models.gguf_tokenizer import read_tokenizer

ARCHITECTURE = "llama"


def read_config(gguf: GgufFile) -> Any:
    """The `LlamaConfig` of the file. Raises AdvisorError for another architecture or missing keys."""
    from transformers import LlamaConfig

    architecture = gguf.get("general.architecture", str)
    if architecture != ARCHITECTURE:
        raise AdvisorError(f"{gguf.path} holds a {architecture} model", why="only llama GGUF files can be imported")
    scaled = [key for key in gguf.metadata if key.startswith(f"{ARCHITECTURE}.rope.scaling.")]
    if scaled or f"{ARCHITECTURE}.expert_count" in gguf.metadata:
        raise AdvisorError(
            f"{gguf.path} cannot be imported", why="scaled rotary positions or experts are not supported"
        )

    def number(key: str) -> int:
        return int(gguf.get(f"{ARCHITECTURE}.{key}", int))

    heads, hidden = number("attention.head_count"), number("embedding_length")
    theta = float(gguf.metadata.get(f"{ARCHITECTURE}.rope.freq_base", 10_000.0))
    return LlamaConfig(
        vocab_size=len(gguf.get("tokenizer.ggml.tokens", list)),
        hidden_size=hidden,
        intermediate_size=number("feed_forward_length"),
        num_hidden_layers=number("block_count"),
        num_attention_heads=heads,
        num_key_value_heads=int(gguf.metadata.get(f"{ARCHITECTURE}.attention.head_count_kv", heads)),
        head_dim=int(gguf.metadata.get(f"{ARCHITECTURE}.rope.dimension_count", hidden // max(heads, 1))),
        max_position_embeddings=number("context_length"),
        rms_norm_eps=round(float(gguf.get(f"{ARCHITECTURE}.attention.layer_norm_rms_epsilon", float)), 12),
        rope_theta=theta,
        rope_parameters={"rope_type": "default", "rope_theta": theta},
        tie_word_embeddings="output.weight" not in gguf.tensors,
        bos_token_id=gguf.metadata.get("tokenizer.ggml.bos_token_id"),
        eos_token_id=gguf.metadata.get("tokenizer.ggml.eos_token_id"),
        pad_token_id=gguf.metadata.get("tokenizer.ggml.padding_token_id"),
    )


def read_weights(gguf: GgufFile, dtype: Any) -> dict[str, Any]:
    """The model's parameters by their transformers names, as torch tensors of `dtype`."""
    import torch

    heads = int(gguf.get(f"{ARCHITECTURE}.attention.head_count", int))
    kv_heads = int(gguf.metadata.get(f"{ARCHITECTURE}.attention.head_count_kv", heads))
    weights: dict[str, Any] = {}
    for name in gguf.tensors:
        target = transformers_name(name)
        if target is None:
            continue
        values = torch.from_numpy(gguf.read(name).copy())
        rotated = rotated_heads(name, heads, kv_heads)
        if rotated:
            values = to_transformers_rows(values, rotated)
        weights[target] = values.to(dtype).contiguous()
    return weights


def load_gguf(path: Path, dtype: Any) -> tuple[Any, Any]:
    """The model (of `dtype`, on the CPU, in evaluation mode) and the tokenizer of a GGUF file.

    Raises AdvisorError when a tensor is missing, too many, or of a shape the configuration does not give.
    """
    import torch
    from transformers import LlamaForCausalLM

    gguf = open_gguf(path)
    config = read_config(gguf)
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    weights = read_weights(gguf, dtype)
    _check_shapes(path, dict(model.named_parameters()), weights)
    model.load_state_dict(weights, strict=False, assign=True)
    model.tie_weights()
    # Buffers (rotary frequencies) are computed, not stored: build them where they will live.
    model.model.rotary_emb = type(model.model.rotary_emb)(config)
    model.config.dtype = dtype
    return model.eval(), read_tokenizer(gguf)


def _check_shapes(path: Path, expected: dict[str, Any], found: dict[str, Any]) -> None:
    missing = sorted(expected.keys() - found.keys())
    surplus = sorted(found.keys() - expected.keys())
    wrong = sorted(n for n in expected.keys() & found.keys() if expected[n].shape != found[n].shape)
    for word, names in (("missing", missing), ("unexpected", surplus), ("of the wrong shape", wrong)):
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise AdvisorError(f"{path} does not fit its own description", why=f"{word}: {', '.join(names[:3])}{more}")


def save_folder(path: Path, folder: Path, dtype: Any) -> None:
    """Write the GGUF model as a transformers folder (safetensors, tokenizer, chat template) of `dtype`."""
    model, tokenizer = load_gguf(path, dtype)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
