"""Puts trainable adapters on a model: only they are trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from advisor.domain.errors import AdvisorError
from executors.adapters.settings import PREFIXES, SOFT_PROMPTS, AdapterSettings

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj", "qkv_proj", "query_key_value", "c_attn", "Wqkv", "out_proj")
"""Names of attention projections over the architectures; those a model lacks do no harm."""
IA3_FEEDFORWARD = ("down_proj",)
IA3_TARGETS = ("k_proj", "v_proj", *IA3_FEEDFORWARD)
"""Liu et al. 2022, section 3.3: keys, values, and what is inside the feed-forward layer."""
EXACT = ("dora", "ia3")
"""Trained in float32 where the model computes in bfloat16: lengths and factors near 1 are too finely graded for it."""


def add_adapter(model: Any, settings: AdapterSettings, tokenizer: Any = None, text: str = "") -> Any:
    """The model with fresh adapters that leave it as it is (bottleneck, LoRA, DoRA, IA3) or begin from real words.

    LoRA matrices take the number format of the base, so that no cast stands in the way; their float32 masters live in
    the optimizer. Soft prompts begin as `text` reads to the model, since a random beginning learns far worse (Lester et
    al. 2021, section 3.2). Raises AdvisorError when the method does not fit the model.
    """
    if settings.method == "bottleneck":
        from executors.adapters.bottleneck import add_bottlenecks

        return add_bottlenecks(model, settings.rank, settings.placement)
    from peft import get_peft_model

    try:
        wrapped = get_peft_model(model, _config(model, settings), autocast_adapter_dtype=settings.method in EXACT)
    except (ValueError, KeyError) as error:
        what = f"no adapter fits targets {settings.targets!r}" if settings.method in ("lora", "qlora", "dora") else (
            f"{settings.method} does not fit this model")  # fmt: skip
        raise AdvisorError(what, why=str(error).splitlines()[0]) from None
    if settings.method in SOFT_PROMPTS:
        from executors.adapters.soft import begin_from_text

        begin_from_text(wrapped, tokenizer, text)
    return wrapped


def continue_adapter(model: Any, folder: Path) -> Any:
    """The model with the adapter in `folder`, to be trained on. Raises AdvisorError for one that cannot be."""
    from executors.adapters.store import kind_of, load_adapter

    if kind_of(folder) == "PREFIX_TUNING":
        # Its network was thrown away, and PEFT reads what is left for inference alone.
        raise AdvisorError("a finished prefix cannot be trained on", hint="train it anew, or continue with lora")
    return load_adapter(model, folder, is_trainable=True)


def _config(model: Any, settings: AdapterSettings) -> Any:
    from peft import IA3Config, LoraConfig, PrefixTuningConfig, PromptTuningConfig

    kind = "CAUSAL_LM" if hasattr(model, "lm_head") or model.get_output_embeddings() is not None else "SEQ_CLS"
    if settings.method == "ia3":
        return IA3Config(task_type=kind, **_ia3_modules(model))
    if settings.method == "prompt-tuning":
        return PromptTuningConfig(task_type=kind, num_virtual_tokens=settings.virtual_tokens)
    if settings.method in PREFIXES:
        has_network = settings.method == "prefix-tuning"
        return PrefixTuningConfig(
            task_type=kind,
            num_virtual_tokens=settings.virtual_tokens,
            prefix_projection=has_network,
            encoder_hidden_size=settings.projection if has_network else None,
        )
    named: str | list[str] = settings.targets if isinstance(settings.targets, str) else list(settings.targets)
    return LoraConfig(
        task_type=kind,
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=list(ATTENTION) if named == "attention" else named,
        use_dora=settings.method == "dora",
    )


def _ia3_modules(model: Any) -> dict[str, Any]:
    """Keys, values and feed-forward by their usual names; PEFT's own table for models that name them otherwise."""
    names = {name.rpartition(".")[2] for name, _ in model.named_modules()}
    if names.issuperset(IA3_TARGETS):
        return {"target_modules": list(IA3_TARGETS), "feedforward_modules": list(IA3_FEEDFORWARD)}
    return {}
