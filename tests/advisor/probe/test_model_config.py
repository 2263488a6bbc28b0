"""`advisor.probe.model_config`: configurations become dimensions, compared with the models transformers would build."""

from __future__ import annotations

from typing import Any

import pytest

from advisor.domain.architecture import ModelShape
from advisor.domain.errors import AdvisorError
from advisor.probe.model_config import shape_from_config

SMALL = {
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "vocab_size": 999,
}
GQA = {**SMALL, "num_key_value_heads": 2}
OLD = {"n_embd": 64, "n_layer": 3, "n_head": 4, "vocab_size": 999, "n_positions": 77}
MLA = {"kv_lora_rank": 24, "qk_rope_head_dim": 8, "qk_nope_head_dim": 16, "v_head_dim": 12}
ROUTED = {"n_routed_experts": 6, "n_shared_experts": 1, "num_experts_per_tok": 2, "moe_intermediate_size": 40}
GROUPED = {"n_group": 2, "topk_group": 1, "first_k_dense_replace": 1}

FAMILIES: list[tuple[str, dict[str, Any]]] = [
    ("llama", GQA),
    ("llama", {**GQA, "tie_word_embeddings": True, "attention_bias": True, "mlp_bias": True}),
    ("mistral", {**GQA, "head_dim": 32}),
    ("qwen2", GQA),
    ("qwen3", GQA),
    ("gemma", {**GQA, "head_dim": 16}),
    ("gemma2", {**GQA, "head_dim": 16}),
    ("gemma3_text", {**GQA, "head_dim": 16}),
    ("phi", GQA),
    ("phi3", {**GQA, "pad_token_id": 0}),
    ("gpt2", OLD),
    ("gpt_bigcode", OLD),
    ("gptj", {**OLD, "rotary_dim": 16}),
    ("codegen", {**OLD, "rotary_dim": 16}),
    ("gpt_neox", SMALL),
    (
        "gpt_neo",
        {
            "hidden_size": 64,
            "num_layers": 2,
            "num_heads": 4,
            "max_position_embeddings": 77,
            "vocab_size": 999,
            "attention_types": [[["global"], 2]],
        },
    ),
    ("opt", {**SMALL, "ffn_dim": 160, "word_embed_proj_dim": 64, "max_position_embeddings": 77}),
    ("bloom", {"hidden_size": 64, "n_layer": 3, "n_head": 4, "vocab_size": 999}),
    ("falcon", {**SMALL, "intermediate_size": None}),
    ("falcon", {**SMALL, "intermediate_size": None, "new_decoder_architecture": True, "num_kv_heads": 2}),
    ("falcon", {**SMALL, "intermediate_size": None, "multi_query": False, "bias": True, "parallel_attn": False}),
    ("mpt", {"d_model": 64, "n_heads": 4, "n_layers": 3, "expansion_ratio": 4, "max_seq_len": 77, "vocab_size": 999}),
    ("stablelm", GQA),
    ("olmo", GQA),
    ("olmo2", GQA),
    ("smollm3", {**GQA, "pad_token_id": 0}),
    ("starcoder2", GQA),
    ("cohere", {**GQA, "pad_token_id": 0}),
    ("granite", GQA),
    ("nemotron", GQA),
    ("persimmon", SMALL),
    ("glm", {**GQA, "head_dim": 16, "pad_token_id": 0}),
    ("seed_oss", {**GQA, "head_dim": 16}),
    ("mixtral", {**GQA, "num_local_experts": 4, "num_experts_per_tok": 2}),
    (
        "qwen3_moe",
        {**GQA, "num_experts": 6, "moe_intermediate_size": 40, "num_experts_per_tok": 2, "mlp_only_layers": [0]},
    ),
    (
        "qwen2_moe",
        {
            **GQA,
            "num_experts": 6,
            "moe_intermediate_size": 40,
            "shared_expert_intermediate_size": 80,
            "decoder_sparse_step": 2,
        },
    ),
    ("olmoe", {**GQA, "num_experts": 6}),
    ("gpt_oss", {**GQA, "head_dim": 16, "num_local_experts": 4}),
    ("granitemoe", {**GQA, "num_local_experts": 4}),
    (
        "deepseek_v2",
        {**GQA, "num_key_value_heads": 4, **MLA, **ROUTED, "first_k_dense_replace": 1, "q_lora_rank": None},
    ),
    ("deepseek_v3", {**GQA, "num_key_value_heads": 4, **MLA, **ROUTED, **GROUPED, "q_lora_rank": 20}),
    ("glm4_moe", {**GQA, "head_dim": 16, **ROUTED, **GROUPED}),
    ("ernie4_5", {**GQA, "head_dim": 16}),
    (
        "llama4_text",
        {**GQA, "head_dim": 16, "intermediate_size_mlp": 90, "num_local_experts": 4, "interleave_moe_layer_step": 2},
    ),
]


def attention(shape: ModelShape) -> int:
    """Weights of one attention block."""
    wide = shape.heads * shape.head_dim
    if shape.kv_rank:
        value = shape.value_head_dim or shape.head_dim
        query = shape.q_rank * (shape.hidden + wide) if shape.q_rank else shape.hidden * wide
        latent = shape.hidden * (shape.kv_rank + shape.rope_head_dim)
        return (
            query
            + latent
            + shape.kv_rank * shape.heads * (shape.head_dim - shape.rope_head_dim + value)
            + (shape.heads * value * shape.hidden)
        )
    weights = shape.hidden * (2 * wide + 2 * shape.kv_heads * shape.head_dim)
    return weights + (wide + 2 * shape.kv_heads * shape.head_dim + shape.hidden) * shape.attention_bias


def feed_forward(shape: ModelShape, width: int) -> int:
    """Weights of one feed-forward block of the given width."""
    weights = shape.hidden * width * (3 if shape.gated else 2)
    return weights + (width * (2 if shape.gated else 1) + shape.hidden) * shape.mlp_bias


def count(shape: ModelShape) -> int:
    """Parameters that the dimensions stand for, norms left out."""
    routed = 0 if shape.experts == 1 else (shape.layers if shape.moe_layers is None else shape.moe_layers)
    expert = shape.moe_intermediate or shape.intermediate
    shared = shape.shared_intermediate or shape.shared_experts * expert
    moe = shape.experts * (feed_forward(shape, expert) + shape.hidden) + (feed_forward(shape, shared) if shared else 0)
    blocks = shape.layers * attention(shape) + routed * moe
    blocks += (shape.layers - routed) * feed_forward(shape, shape.intermediate)
    tables = shape.vocab * (1 if shape.tied else 2) + shape.learned_positions
    return blocks + tables * shape.hidden + shape.extra_params


@pytest.mark.parametrize(("model_type", "config"), FAMILIES, ids=[f"{i}-{m}" for i, (m, _) in enumerate(FAMILIES)])
def test_a_shape_stands_for_the_parameters_of_the_model_that_transformers_builds(
    model_type: str, config: dict[str, Any]
) -> None:
    """The dimensions count to within 2.5 % of the real module tree of a tiny model (norms and small biases apart)."""
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    built = transformers.AutoConfig.for_model(
        model_type, **{k: v for k, v in config.items() if v is not None or k == "q_lora_rank"}
    )
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(built)
    model.tie_weights()
    real = sum(p.numel() for p in model.parameters())
    assert count(shape_from_config({**config, "model_type": model_type})) == pytest.approx(real, rel=0.025)


def test_a_text_config_fills_what_it_leaves_out_with_the_defaults_of_its_class() -> None:
    """Gemma 3 4B stores only hidden size, width and layers of its text part; the rest is its class's."""
    text = {"hidden_size": 2560, "intermediate_size": 10240, "model_type": "gemma3_text", "num_hidden_layers": 34}
    shape = shape_from_config({"model_type": "gemma3", "text_config": text, "vision_config": {"hidden_size": 1152}})
    assert (shape.heads, shape.kv_heads, shape.head_dim, shape.vocab, shape.tied) == (8, 4, 256, 262208, True)


def test_a_text_config_without_a_type_belongs_to_the_outer_model() -> None:
    """The family of the outer `model_type` decides when the nested part names none."""
    shape = shape_from_config({"model_type": "qwen2_5_vl", "tie_word_embeddings": True, "text_config": GQA})
    assert (shape.arch, shape.attention_bias, shape.tied) == ("qwen2_5_vl", True, True)


def test_an_unknown_type_with_ordinary_keys_is_read() -> None:
    """A model type nobody knows is read by its Llama-like keys."""
    shape = shape_from_config({**GQA, "model_type": "brand_new", "tie_word_embeddings": False})
    assert (shape.layers, shape.kv_heads, shape.head_dim, shape.gated, shape.tied) == (3, 2, 16, True, False)


def test_every_missing_dimension_is_named() -> None:
    """A configuration without dimensions is refused with the names of all of them."""
    with pytest.raises(AdvisorError, match="num_hidden_layers, num_attention_heads, vocab_size"):
        shape_from_config({"model_type": "llama", "hidden_size": 64, "intermediate_size": 100})


@pytest.mark.parametrize("value", ["4096", -1, 0, True, 1.5, [], {"a": 1}, 2**70])
def test_a_dimension_that_is_no_size_is_refused_by_its_key(value: object) -> None:
    """Strings, zeros, negatives and absurd numbers are refused, naming the key."""
    with pytest.raises(AdvisorError, match="hidden_size"):
        shape_from_config({**GQA, "model_type": "llama", "hidden_size": value})


def test_an_encoder_is_refused() -> None:
    """BERT is no decoder."""
    with pytest.raises(AdvisorError, match="not a decoder"):
        shape_from_config({**SMALL, "model_type": "bert"})


def test_the_largest_published_shapes_come_out_at_their_published_size() -> None:
    """DeepSeek-V3 counts to 671 B parameters, Mixtral 8x7B to 46.7 B, gpt-oss-20b to 20.9 B."""
    v3 = {"model_type": "deepseek_v3", "hidden_size": 7168, "intermediate_size": 18432, "num_hidden_layers": 61}
    v3 |= {"num_attention_heads": 128, "num_key_value_heads": 128, "vocab_size": 129280, "kv_lora_rank": 512}
    v3 |= {"q_lora_rank": 1536, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128}
    v3 |= {"n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8, "moe_intermediate_size": 2048}
    v3 |= {"first_k_dense_replace": 3, "moe_layer_freq": 1}
    mixtral = {"model_type": "mixtral", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32}
    mixtral |= {"num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 32000, "num_local_experts": 8}
    oss = {"model_type": "gpt_oss", "hidden_size": 2880, "intermediate_size": 2880, "num_hidden_layers": 24}
    oss |= {"num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 201088}
    oss |= {"num_local_experts": 32}
    sizes = [count(shape_from_config(c)) / 1e9 for c in (v3, mixtral, oss)]
    assert sizes == pytest.approx([671.0, 46.7, 20.9], rel=0.005)
