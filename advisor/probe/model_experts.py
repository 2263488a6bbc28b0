"""The mixture-of-experts and latent-attention fields of a `config.json`, under the names of each family.

Everything else of a configuration is read by `model_config`.
"""

from __future__ import annotations

from typing import Any

EXPERTS = (
    "num_local_experts",
    "n_routed_experts",
    "num_experts",
    "moe_num_experts",
    "num_routed_experts",
    "ffn_config.moe_num_experts",
)
ACTIVE = ("num_experts_per_tok", "num_experts_per_token", "moe_k", "moe_topk", "moe_top_k", "ffn_config.moe_top_k")
SHARED = ("n_shared_experts", "num_shared_experts", "moe_num_shared_experts", "num_shared_expert")
SHARED_WIDTH = ("shared_expert_intermediate_size", "shared_intermediate_size", "moe_shared_expert_intermediate_size")


def latent_fields(text: dict[str, Any]) -> dict[str, int]:
    """Latent attention (DeepSeek V2 and later): ranks and head widths; empty for ordinary attention."""
    kv_rank = text.get("kv_lora_rank")
    if not isinstance(kv_rank, int) or kv_rank <= 0:
        return {}
    rope = _int(text.get("qk_rope_head_dim"), 64)
    nope = _int(text.get("qk_nope_head_dim"), 128)
    return {
        "kv_rank": kv_rank,
        "q_rank": _int(text.get("q_lora_rank"), 0),
        "rope_head_dim": rope,
        "value_head_dim": _int(text.get("v_head_dim"), nope),
        "head_dim": rope + nope,
    }


def expert_fields(text: dict[str, Any], layers: int) -> dict[str, Any]:
    """Routed and shared experts as fields of `ModelShape`; empty for a dense model."""
    experts = _first(text, EXPERTS)
    if experts is None or experts <= 1:
        return {}
    fields: dict[str, Any] = {
        "experts": experts,
        "experts_active": min(experts, _first(text, ACTIVE) or 1),
        "moe_intermediate": _int(text.get("moe_intermediate_size"), 0),
        "shared_experts": _first(text, SHARED) or 0,
        "moe_layers": _routed_layers(text, layers),
    }
    width = _first(text, SHARED_WIDTH)
    if width:
        fields |= {"shared_intermediate": width, "shared_experts": max(1, fields["shared_experts"])}
    if "intermediate_size_mlp" in text:  # Llama 4: intermediate_size is the expert's, and one expert is shared
        fields |= {
            "moe_intermediate": _int(text.get("intermediate_size"), 0),
            "intermediate": _int(text.get("intermediate_size_mlp"), 0),
            "shared_experts": 1,
        }
    return fields


def _routed_layers(text: dict[str, Any], layers: int) -> int:
    """How many of the layers are routed, by whichever pattern the family writes."""
    listed = text.get("moe_layers")
    if isinstance(listed, list) and listed:
        return len(listed)
    frequency = text.get("moe_layer_freq")
    if isinstance(frequency, list):
        return sum(1 for flag in frequency if flag)
    first = _int(text.get("first_k_dense_replace"), 0) or _int(text.get("moe_layer_start_index"), 0)
    last = _int(text.get("moe_layer_end_index"), layers - 1)
    dense = text.get("mlp_only_layers")
    dense = set(dense) if isinstance(dense, list) else set()
    step, rest = _pattern(text, frequency)
    return sum(1 for i in range(layers) if first <= i <= last and i not in dense and i % step == rest % step)


def _pattern(text: dict[str, Any], frequency: Any) -> tuple[int, int]:
    """Step and remainder: layer i is routed when `i % step == remainder`."""
    if isinstance(frequency, int) and frequency > 0:
        return frequency, 0
    if isinstance(text.get("expert_layer_period"), int):
        return max(1, text["expert_layer_period"]), _int(text.get("expert_layer_offset"), 0)
    for key in ("decoder_sparse_step", "interleave_moe_layer_step", "moe_layer_interval"):
        if isinstance(text.get(key), int) and text[key] > 0:
            return text[key], text[key] - 1
    return 1, 0


def _first(text: dict[str, Any], keys: tuple[str, ...]) -> int | None:
    for key in keys:
        outer, _, inner = key.partition(".")
        value = text.get(outer)
        if inner:
            value = value.get(inner) if isinstance(value, dict) else None
        if isinstance(value, list) and value:
            value = max(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None


def _int(value: Any, default: int) -> int:
    """A non-negative integer, or the default for anything else; a per-layer list counts by its largest."""
    if isinstance(value, list) and value and all(isinstance(v, int) for v in value):
        value = max(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else default
