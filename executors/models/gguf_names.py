"""Tensor names and row order of llama-family models, in transformers and in GGUF. Both directions, no files.

llama.cpp rotates neighbouring pairs of a head, transformers rotates its two halves, so the rows of the query and
key projections of architecture `llama` are interleaved in a GGUF file. Other architectures keep their order.
"""

from __future__ import annotations

import re
from typing import Any

_TOP = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
_LAYER = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_TOP_BACK = {gguf: hf for hf, gguf in _TOP.items()}
_LAYER_BACK = {gguf: hf for hf, gguf in _LAYER.items()}
_HF = re.compile(r"model\.layers\.(\d+)\.(.+)\.(weight|bias)")
_GGUF = re.compile(r"blk\.(\d+)\.(.+)\.(weight|bias)")


def gguf_name(name: str) -> str | None:
    """The GGUF name of a transformers tensor; None for one that has none."""
    if name in _TOP:
        return _TOP[name]
    match = _HF.fullmatch(name)
    if match is None or match[2] not in _LAYER:
        return None
    return f"blk.{match[1]}.{_LAYER[match[2]]}.{match[3]}"


def transformers_name(name: str) -> str | None:
    """The transformers name of a GGUF tensor; None for one that is not a parameter (`rope_freqs` and the like)."""
    if name in _TOP_BACK:
        return _TOP_BACK[name]
    match = _GGUF.fullmatch(name)
    if match is None or match[2] not in _LAYER_BACK:
        return None
    return f"model.layers.{match[1]}.{_LAYER_BACK[match[2]]}.{match[3]}"


def rotated_heads(gguf: str, heads: int, kv_heads: int) -> int | None:
    """Over how many heads the rows of this GGUF tensor (architecture `llama`) are interleaved; None if they are not."""
    match = _GGUF.fullmatch(gguf)
    return {"attn_q": heads, "attn_k": kv_heads}.get(match[2]) if match else None


def to_gguf_rows(tensor: Any, heads: int) -> Any:
    """Rows as llama.cpp wants them. `tensor`: numpy or torch, `[heads * head_dim, ...]`; same shape back."""
    rows = tensor.shape[0]
    split = tensor.reshape(heads, 2, rows // heads // 2, *tensor.shape[1:])
    return split.swapaxes(1, 2).reshape(tensor.shape)


def to_transformers_rows(tensor: Any, heads: int) -> Any:
    """The inverse of `to_gguf_rows`."""
    rows = tensor.shape[0]
    split = tensor.reshape(heads, rows // heads // 2, 2, *tensor.shape[1:])
    return split.swapaxes(1, 2).reshape(tensor.shape)
