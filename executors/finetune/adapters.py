"""Puts trainable adapters on a model and writes them out as PEFT reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from advisor.domain.errors import AdvisorError
from executors.finetune.config import Config

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj", "qkv_proj", "query_key_value", "c_attn", "Wqkv", "out_proj")
"""Names of attention projections over the architectures; those a model lacks do no harm."""


def add_adapter(model: Any, config: Config) -> Any:
    """The model with fresh adapters: only they are trained.

    LoRA matrices take the number format of the base, so that no cast stands in the way; their float32 masters live in
    the optimizer. DoRA's magnitudes are too finely graded for that and stay in float32 altogether.
    """
    from peft import LoraConfig, get_peft_model

    named: str | list[str] = config.targets if isinstance(config.targets, str) else list(config.targets)
    targets = named if named == "all-linear" else list(ATTENTION) if named == "attention" else named
    settings = LoraConfig(
        task_type="CAUSAL_LM",
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=targets,
        use_dora=config.method == "dora",
    )
    try:
        return get_peft_model(model, settings, autocast_adapter_dtype=config.method == "dora")
    except ValueError as error:
        raise AdvisorError(f"no adapter fits targets {config.targets!r}", why=str(error).splitlines()[0]) from None


def save_adapter(model: Any, folder: Path, base: str) -> None:
    """Write `adapter_model.safetensors` and `adapter_config.json`. `base`: the name recorded for the base model.

    Written here and not by PEFT, whose model card would name the path of the base on this machine.
    """
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    weights = get_peft_model_state_dict(model, save_embedding_layers=False)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    settings = model.peft_config["default"]
    settings.base_model_name_or_path = base
    settings.inference_mode = True
    settings.save_pretrained(str(folder))
