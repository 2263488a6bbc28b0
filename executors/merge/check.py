"""Whether a merged model answers like its base with the adapter attached, as PEFT computes it.

An independent witness: PEFT runs base and adapter separately and shares no code with the merge. Both are computed in 32
bits, so that what is left is the rounding of the merged weights.
"""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advisor.domain.errors import Severity
from executors.export.likeness import GREEDY, Likeness, check_likeness, name_of, voice_of
from executors.export.parity import Limits, model_logits, spoken
from executors.process.machine import free_memory_bytes
from executors.protocol import Say
from executors.tensors.folder import ModelFolder

if TYPE_CHECKING:
    import torch

LIMITS = Limits(kl=0.01, top1=0.95, greedy=0.5)
"""Rounding merged weights to 16 bits moves far less than this; a wrong scale or a missed layer far more."""


def check_by_logits(base: ModelFolder, adapter: Path, out: Path, say: Say) -> None:
    """Compare the merged folder with base and adapter; with a warning instead when memory does not allow it.

    Raises AdvisorError when they do not say the same.
    """
    import torch

    need = base.params * 4 * 1.1
    free = free_memory_bytes()
    if need > free:
        say.diagnostic(
            Severity.WARNING,
            "unchecked-merge",
            "the merged model was not compared with base and adapter",
            because=f"that needs {need / 2**30:.1f} GiB of memory and {free / 2**30:.1f} GiB are free",
        )
        return
    held = {"merged": _load(out, torch.float32)}

    def original(prompts: list[torch.Tensor]) -> list[torch.Tensor]:
        # Asked last, and once: one model in 32 bits stands in memory at a time.
        held.clear()
        gc.collect()
        return model_logits(_attached(base, adapter), prompts)

    pair = Likeness(
        "the merged model",
        f"{name_of(base.path)} with its adapter",
        original,
        lambda prompts: model_logits(held["merged"], prompts),
        lambda prompts: spoken(held["merged"], prompts, GREEDY),
    )
    check_likeness(pair, base.path, (voice_of(base.path), voice_of(out)), LIMITS, out, say)


def _attached(base: ModelFolder, adapter: Path) -> Any:
    """The base with its adapter as PEFT computes them, in 32 bits, masked where the base was pruned."""
    import torch
    from peft import PeftModel

    from executors.adapters.masked import mask_layers
    from executors.prune.kept import pruned_tensors

    attached = PeftModel.from_pretrained(_load(base.path, torch.float32), str(adapter), local_files_only=True)
    if pruned := pruned_tensors(base.path):
        mask_layers(attached, set(pruned))
    return attached


def _load(folder: Path, dtype: Any) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(
        str(folder), dtype=dtype, trust_remote_code=False, use_safetensors=True, local_files_only=True
    )
