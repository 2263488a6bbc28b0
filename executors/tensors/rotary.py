"""Rotary positions of the Llama family: cosines and sines, from config.json alone in the ordinary case.

Su et al. 2021, arXiv 2104.09864, section 3.2.2. Stretched variants (yarn, llama3, longrope ...) are left to
transformers, which is imported for them only.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from executors.tensors.blocks import head_size

if TYPE_CHECKING:
    import torch

BASE = 10_000.0
"""What `rope_theta` is where a configuration does not say."""


def rotary(config: dict[str, Any], folder: Path, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines [length, head size] of positions 0 to length - 1, in 32 bits."""
    import torch

    told = config.get("rope_parameters") or config.get("rope_scaling") or {}
    kind = told.get("rope_type") or told.get("type") or "default"
    if kind != "default" or "partial_rotary_factor" in config or "partial_rotary_factor" in told:
        return _by_transformers(folder, length)
    base = float(told.get("rope_theta") or config.get("rope_theta") or BASE)
    size = head_size(config)
    frequencies = 1.0 / base ** (torch.arange(0, size, 2, dtype=torch.int64).float() / size)
    angles = torch.outer(torch.arange(length).float(), frequencies)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def _by_transformers(folder: Path, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True)
    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    module = type(model.model.rotary_emb)(config=config)
    positions = torch.arange(length).unsqueeze(0)
    cosines, sines = module(torch.zeros(1, length, 1), position_ids=positions)
    return cosines[0], sines[0]
