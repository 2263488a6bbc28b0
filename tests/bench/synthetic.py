"""A large random model that is written tensor by tensor: what streaming steps are measured on.

Not a benchmark by itself. Shaped like a Llama of two billion parameters in bfloat16, 4 GB; its weights say nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

SHAPE: dict[str, Any] = {
    "hidden_size": 2048,
    "intermediate_size": 5632,
    "num_hidden_layers": 42,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "vocab_size": 49152,
    "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-5,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
    "tie_word_embeddings": True,
    "hidden_act": "silu",
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "dtype": "bfloat16",
    "bos_token_id": 1,
    "eos_token_id": 2,
}
QUIET_WIDTH = 2e-5
"""Standard deviation of what writes into the hidden states; 0.02 elsewhere."""


def write_model(folder: Path, tokenizer: Path, seed: int = 0, **changes: Any) -> Path:
    """Write the model below `folder`, with the tokenizer files of another model of at most as many tokens."""
    import torch

    from executors.tensors.folder import copy_companions, write_json
    from executors.tensors.writer import TensorSpec, TensorWriter

    shape = {**SHAPE, **changes}
    specs = [TensorSpec(name, "BF16", size) for name, size in _sizes(shape)]
    generator = torch.Generator().manual_seed(seed)
    with TensorWriter(folder, specs, shard_bytes=2**30) as writer:
        for spec in specs:
            if len(spec.shape) == 1:
                writer.write(spec.name, torch.ones(spec.shape, dtype=torch.bfloat16))
                continue
            # Blocks add little, so that a token's own embedding decides: a model that answers at random to everything
            # would answer otherwise after any rounding, and fail the check of its likeness.
            width = QUIET_WIDTH if spec.name.endswith(("o_proj.weight", "down_proj.weight")) else 0.02
            tensor = torch.empty(spec.shape, dtype=torch.bfloat16).normal_(0, width, generator=generator)
            writer.write(spec.name, tensor)
    write_json(folder / "config.json", shape)
    copy_companions(tokenizer, folder)
    return folder


def _sizes(shape: dict[str, Any]) -> list[tuple[str, tuple[int, ...]]]:
    width, inner = shape["hidden_size"], shape["intermediate_size"]
    narrow = width // shape["num_attention_heads"] * shape["num_key_value_heads"]
    block: dict[str, tuple[int, ...]] = {
        "input_layernorm": (width,),
        "self_attn.q_proj": (width, width),
        "self_attn.k_proj": (narrow, width),
        "self_attn.v_proj": (narrow, width),
        "self_attn.o_proj": (width, width),
        "post_attention_layernorm": (width,),
        "mlp.gate_proj": (inner, width),
        "mlp.up_proj": (inner, width),
        "mlp.down_proj": (width, inner),
    }
    sizes: list[tuple[str, tuple[int, ...]]] = [("model.embed_tokens.weight", (shape["vocab_size"], width))]
    for index in range(shape["num_hidden_layers"]):
        sizes += [(f"model.layers.{index}.{name}.weight", size) for name, size in block.items()]
    return [*sizes, ("model.norm.weight", (width,))]
