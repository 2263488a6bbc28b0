"""A `config.json` as a `ModelShape`: names, nesting and silent defaults of the decoder families resolved.

Reads a dictionary, no file. Mixture-of-experts and latent-attention fields are read by `model_experts`. Layers that are
not attention (Mamba, linear attention, convolutions) are taken as attention layers: their size is an approximation.
"""

from __future__ import annotations

from typing import Any

from advisor.domain.architecture import ModelShape
from advisor.domain.errors import AdvisorError
from advisor.probe.families import ENCODERS, UNKNOWN, Family, family_of
from advisor.probe.model_experts import expert_fields, latent_fields

NAMES: dict[str, tuple[str, ...]] = {
    "layers": ("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
    "hidden": ("hidden_size", "n_embd", "n_embed", "d_model", "model_dim", "dim"),
    "heads": ("num_attention_heads", "n_head", "n_heads", "num_heads", "attention_heads"),
    "kv_heads": ("num_key_value_heads", "num_kv_heads", "n_head_kv", "n_kv_heads", "attn_config.kv_n_heads"),
    "intermediate": (
        "intermediate_size",
        "ffn_dim",
        "n_inner",
        "ffn_hidden_size",
        "hidden_dim",
        "ffn_config.ffn_hidden_size",
    ),
    "vocab": ("padded_vocab_size", "vocab_size"),
    "head_dim": ("head_dim", "kv_channels", "attention_head_dim"),
    "max_positions": ("max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length", "seq_length"),
}
NESTED = ("text_config", "llm_config", "language_config", "thinker_config", "decoder_config")


def shape_from_config(config: dict[str, Any]) -> ModelShape:
    """The dimensions of the text decoder that a parsed `config.json` describes.

    Raises `AdvisorError` when it is not a decoder, when a dimension is missing (all missing ones are named), or when
    one is not a whole number above zero.
    """
    text, is_nested = _text_part(config)
    arch = str(text.get("model_type") or "")
    if arch in ENCODERS or text.get("is_encoder_decoder") is True:
        raise AdvisorError(
            f"model type '{arch}' is not a decoder-only language model",
            why="the techniques here work on decoders that predict the next token",
            hint="choose a causal language model, e.g. builtin:smollm2-135m-instruct",
        )
    family = family_of(arch)
    sizes = _sizes(text, family.sizes if is_nested else {}, _is_gated(text, family))
    fields: dict[str, Any] = {**sizes, **latent_fields(text), **expert_fields(text, sizes["layers"])}
    try:
        return ModelShape(
            name=str(config.get("_name_or_path") or ""),
            arch=arch or "unknown",
            tied=_tied(config, text, family),
            gated=_is_gated(text, family),
            parallel=_is_parallel(text, family),
            attention_bias=_attention_bias(text, family),
            mlp_bias=_flag(text, ("mlp_bias", "use_bias", "enable_bias", "bias"), family.mlp_bias, not_key="no_bias"),
            learned_positions=_learned_positions(text, family, sizes["max_positions"]),
            dtype=_dtype(config, text),
            extra_params=_per_layer_embeddings(text, sizes["layers"]),
            **fields,
        )
    except ValueError as error:
        raise AdvisorError("config.json holds impossible dimensions", why=str(error).splitlines()[-1]) from error


def _text_part(config: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """The dictionary that describes the language model, and whether it was nested in a multi-modal one."""
    for key in NESTED:
        inner = config.get(key)
        if isinstance(inner, dict):
            text = _text_part(inner)[0]
            return {"model_type": config.get("model_type"), **text}, True
    return config, False


def _value(text: dict[str, Any], path: str) -> Any:
    """A value by key, or by `outer.inner`."""
    outer, _, inner = path.partition(".")
    found = text.get(outer)
    return found.get(inner) if inner and isinstance(found, dict) else (None if inner else found)


def whole_number(value: Any, key: str) -> int:
    """The value as an integer above zero; a per-layer list as its mean. Raises `AdvisorError`."""
    if isinstance(value, list) and value:
        return round(sum(whole_number(v, key) for v in value) / len(value))
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**40:
        raise AdvisorError(f"config.json: '{key}' must be a whole number above 0, not {value!r:.40}")
    return value


def _named(text: dict[str, Any], name: str) -> int | None:
    for key in NAMES[name]:
        value = _value(text, key)
        if value is not None:
            return whole_number(value, key)
    return None


def _sizes(text: dict[str, Any], assumed: dict[str, int], is_gated: bool) -> dict[str, int]:
    """Every dimension, from the file, else from what the family assumes, else derived."""
    found = {name: _named(text, name) for name in NAMES}
    sizes: dict[str, int] = {name: value for name, value in found.items() if value is not None}
    for name, value in assumed.items():
        sizes.setdefault(name, value)
    family = family_of(str(text.get("model_type") or ""))
    if "hidden" in sizes and "intermediate" not in sizes and not is_gated:
        sizes["intermediate"] = round(sizes["hidden"] * float(text.get("expansion_ratio") or 4))
    missing = [NAMES[n][0] for n in ("layers", "hidden", "heads", "intermediate") if n not in sizes]
    if "vocab" not in sizes:
        missing.append("vocab_size")
    if missing:
        raise AdvisorError(
            f"config.json does not say {', '.join(missing)}",
            why="the dimensions of the decoder decide memory and time",
            hint="use the config.json of a causal language model as its repository holds it",
        )
    if str(text.get("model_type")) == "qwen":
        sizes["intermediate"] //= 2  # the first Qwen counts gate and up together
    sizes["kv_heads"] = _kv_heads(text, sizes, found["kv_heads"])
    if found["head_dim"] is None or text.get("kv_lora_rank"):
        sizes["head_dim"] = family.head_dim or max(1, sizes["hidden"] // sizes["heads"])
    sizes.setdefault("max_positions", 0)
    return sizes


def _kv_heads(text: dict[str, Any], sizes: dict[str, int], given: int | None) -> int:
    if text.get("multi_query_attention") and text.get("multi_query_group_num"):  # ChatGLM
        return whole_number(text["multi_query_group_num"], "multi_query_group_num")
    is_falcon = family_of(str(text.get("model_type") or "")) is family_of("falcon")
    if is_falcon and not text.get("new_decoder_architecture"):
        return 1 if text.get("multi_query", True) else sizes["heads"]
    if text.get("model_type") == "gpt_bigcode":
        return 1 if text.get("multi_query", True) else sizes["heads"]
    return given or sizes.get("kv_heads") or sizes["heads"]


def _is_gated(text: dict[str, Any], family: Family) -> bool:
    if family is not UNKNOWN:
        return family.gated
    return not any(text.get(key) is not None for key in ("n_inner", "ffn_dim", "expansion_ratio"))


def _tied(config: dict[str, Any], text: dict[str, Any], family: Family) -> bool:
    for part in (text, config):
        value = part.get("tie_word_embeddings")
        if isinstance(value, bool):
            return value
    return family.tied


def _is_parallel(text: dict[str, Any], family: Family) -> bool:
    if text.get("new_decoder_architecture"):
        return True
    return _flag(text, ("use_parallel_residual", "parallel_attn"), family.parallel)


def _attention_bias(text: dict[str, Any], family: Family) -> bool:
    keys = ("attention_bias", "qkv_bias", "use_qkv_bias", "add_qkv_bias", "use_bias", "enable_bias", "bias")
    return _flag(text, keys, family.attention_bias, not_key="no_bias" if text.get("model_type") == "mpt" else "")


def _flag(text: dict[str, Any], keys: tuple[str, ...], default: bool, not_key: str = "") -> bool:
    for key in keys:
        if isinstance(text.get(key), bool):
            return bool(text[key])
    if not_key and isinstance(text.get(not_key), bool):
        return not text[not_key]
    return default


def _learned_positions(text: dict[str, Any], family: Family, max_positions: int) -> int:
    if family.positions_offset is None:
        return 0
    return (max_positions or 1024) + family.positions_offset


def _dtype(config: dict[str, Any], text: dict[str, Any]) -> str:
    for part in (text, config):
        value = part.get("dtype") or part.get("torch_dtype")
        if isinstance(value, str) and value != "auto":
            return value.removeprefix("torch.")
    return "bfloat16"


def _per_layer_embeddings(text: dict[str, Any], layers: int) -> int:
    """Gemma 3n and later keep a second embedding table with one slice per layer."""
    rows, width = text.get("vocab_size_per_layer_input"), text.get("hidden_size_per_layer_input")
    return rows * width * layers if isinstance(rows, int) and isinstance(width, int) else 0
