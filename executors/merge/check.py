"""Whether a merged model answers like its base with the adapter attached, as PEFT computes it.

An independent witness: PEFT runs base and adapter separately and shares no code with the merge. Both are computed in 32
bits, so that what is left is the rounding of the merged weights.
"""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

from advisor.domain.errors import Severity
from executors.export.parity import Limits, Parity, compare, model_logits, prompt_ids
from executors.process.machine import free_memory_bytes
from executors.protocol import Say
from executors.tensors.folder import ModelFolder

LIMITS = Limits(kl=0.01, top1=0.95)
"""Rounding merged weights to 16 bits moves far less than this; a wrong scale or a missed layer far more."""


def check_by_logits(base: ModelFolder, adapter: Path, out: Path, say: Say) -> Parity | None:
    """Parity of the merged folder with base and adapter; None, with a warning, when memory does not allow it."""
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
        return None
    prompts = prompt_ids(out)
    candidate = model_logits(_load(out, torch.float32), prompts)
    gc.collect()
    from peft import PeftModel

    from executors.adapters.masked import mask_layers
    from executors.prune.kept import pruned_tensors

    attached = PeftModel.from_pretrained(_load(base.path, torch.float32), str(adapter), local_files_only=True)
    if pruned := pruned_tensors(base.path):
        mask_layers(attached, set(pruned))
    return compare(model_logits(attached, prompts), candidate)


def _load(folder: Path, dtype: Any) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(
        str(folder), dtype=dtype, trust_remote_code=False, use_safetensors=True, local_files_only=True
    )
