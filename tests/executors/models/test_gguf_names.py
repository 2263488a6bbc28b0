"""Tensor names and row order."""

from __future__ import annotations

import numpy as np
import pytest

from executors.models.gguf_names import (
    gguf_name,
    rotated_heads,
    to_gguf_rows,
    to_transformers_rows,
    transformers_name,
)

NAMES = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
    "model.layers.0.self_attn.q_proj.weight": "blk.0.attn_q.weight",
    "model.layers.29.mlp.down_proj.weight": "blk.29.ffn_down.weight",
    "model.layers.3.self_attn.k_proj.bias": "blk.3.attn_k.bias",
    "model.layers.3.post_attention_layernorm.weight": "blk.3.ffn_norm.weight",
}


@pytest.mark.parametrize(("name", "gguf"), NAMES.items())
def test_names_go_both_ways(name: str, gguf: str) -> None:
    """A parameter's name comes back from the name it has in a GGUF file."""
    assert gguf_name(name) == gguf
    assert transformers_name(gguf) == name


@pytest.mark.parametrize("name", ["model.layers.0.mlp.router.weight", "rope_freqs.weight", "blk.0.ffn_gate_inp.weight"])
def test_unknown_names_have_none(name: str) -> None:
    """A tensor outside the llama family has no name on the other side."""
    assert gguf_name(name) is None
    assert transformers_name(name) is None


def test_only_query_and_key_are_interleaved() -> None:
    """Queries are interleaved over all heads, keys over the key heads, nothing else."""
    assert rotated_heads("blk.1.attn_q.weight", 9, 3) == 9
    assert rotated_heads("blk.1.attn_k.bias", 9, 3) == 3
    assert rotated_heads("blk.1.attn_v.weight", 9, 3) is None
    assert rotated_heads("token_embd.weight", 9, 3) is None


def test_rows_of_a_head_are_interleaved_by_hand() -> None:
    """The two halves (0 1 2 | 3 4 5) of one head become neighbours (0 3 1 4 2 5), as llama.cpp rotates them."""
    rows = np.arange(6).reshape(6, 1)
    assert to_gguf_rows(rows, 1)[:, 0].tolist() == [0, 3, 1, 4, 2, 5]


@pytest.mark.parametrize("shape", [(8, 5), (8,)])
def test_row_order_is_undone(shape: tuple[int, ...]) -> None:
    """Row order survives the way there and back, for matrices and for biases."""
    tensor = np.random.default_rng(0).normal(size=shape)
    assert np.array_equal(to_transformers_rows(to_gguf_rows(tensor, 2), 2), tensor)
