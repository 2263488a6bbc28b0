"""A model folder to one checked GGUF file."""

from __future__ import annotations

from pathlib import Path

from executors.export.gguf_form import LIMITS
from executors.export.gguf_source import GgufSource
from executors.export.gguf_write import verify_gguf, write_gguf
from executors.export.parity import compare, prompt_ids, report, require
from executors.protocol import Say
from executors.tensors.decoder import StreamedDecoder
from executors.tensors.folder import ModelFolder
from executors.tensors.source import FolderSource


def to_gguf(model: ModelFolder, out: Path, form: str, say: Say) -> None:
    """Write `model-<form>.gguf` below `out`, compare every tensor, and compare the logits."""
    import torch

    out.mkdir(parents=True, exist_ok=True)
    file = out / f"model-{form}.gguf"
    write_gguf(model, file, form, say)
    say.metric("largest_weight_error", verify_gguf(model, file, form))
    say.metric("bytes", file.stat().st_size, "bytes")
    prompts = prompt_ids(model.path)
    reference = StreamedDecoder(FolderSource(model), model.path, torch.float32).logits(prompts)
    candidate = StreamedDecoder(GgufSource(file), model.path, torch.float32).logits(prompts)
    parity = compare(reference, candidate)
    report(parity, say)
    require(parity, LIMITS[form], file.name)
