"""A model folder to one checked GGUF file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from advisor.domain.errors import Severity
from advisor.domain.words import ArtifactKind
from executors.export import llama_cpp_choices as llama_cpp
from executors.export.gguf_form import K_QUANTS, LIMITS
from executors.export.gguf_source import GgufSource
from executors.export.gguf_write import verify_gguf, write_gguf
from executors.export.likeness import (
    GREEDY,
    GREEDY_LARGE,
    Answer,
    Likeness,
    Speak,
    check_likeness,
    continued,
    name_of,
    voice_of,
    voice_of_gguf,
)
from executors.export.llama_cpp_quantize import quantize
from executors.export.parity import RELOADED, prompt_ids, spoken
from executors.models.load import load_model
from executors.protocol import Say
from executors.tensors.decoder import StreamedDecoder
from executors.tensors.folder import ModelFolder
from executors.tensors.source import FolderSource

if TYPE_CHECKING:
    import torch

LLAMA_CPP_AGREES = 0.85
"""llama.cpp also rounds activations to 8 bits, so that close calls fall the other way now and then."""


def to_gguf(model: ModelFolder, out: Path, form: str, say: Say) -> None:
    """Write `model-<form>.gguf` below `out`, compare every tensor, and compare the logits."""
    import torch

    out.mkdir(parents=True, exist_ok=True)
    file = out / f"model-{form}.gguf"
    if form in K_QUANTS:
        _write_by_llama_cpp(model, file, form, say)
    else:
        write_gguf(model, file, form, say)
        say.metric("largest_weight_error", verify_gguf(model, file, form))
    say.metric("bytes", file.stat().st_size, "bytes")
    original = StreamedDecoder(FolderSource(model), model.path, torch.float32).logits
    copy = StreamedDecoder(GgufSource(file), model.path, torch.float32).logits
    pair = Likeness(file.name, name_of(model.path), original, copy, _speaker(model, original))
    check_likeness(pair, model.path, (voice_of(model.path), voice_of_gguf(file)), LIMITS[form], out, say)
    if llama_cpp.is_installed():
        prompts = prompt_ids(model.path)
        _compare_llama_cpp(file, prompts, copy(prompts), say)


def _speaker(model: ModelFolder, original: Answer) -> Speak:
    """The model as transformers loads it; one too large for that block by block, and fewer tokens."""
    if 2 * model.params > RELOADED:
        return lambda prompts: continued(original, prompts, GREEDY_LARGE)
    loaded = load_model(ArtifactKind.CAUSAL_LM, str(model.path)).model
    return lambda prompts: spoken(loaded, prompts, GREEDY)


def _write_by_llama_cpp(model: ModelFolder, file: Path, form: str, say: Say) -> None:
    """In 16 bits first, checked tensor by tensor, and from there by llama.cpp; the parity check follows."""
    wide = file.with_name("model-F16.gguf")
    write_gguf(model, wide, "F16", say)
    verify_gguf(model, wide, "F16")
    quantize(wide, file, form)
    wide.unlink()
    with file.open("rb") as stream:
        os.fsync(stream.fileno())


def _compare_llama_cpp(file: Path, prompts: list[torch.Tensor], expected: list[torch.Tensor], say: Say) -> None:
    """Say how often llama.cpp, reading the file, chooses the token that the file's weights give in transformers."""
    found = llama_cpp.choices(file, [ids.tolist() for ids in prompts])
    if isinstance(found, str):
        say.diagnostic(
            Severity.WARNING, "llama-cpp-failed", f"llama.cpp could not be asked about {file.name}", because=found
        )
        return
    share = llama_cpp.agreement([logits.argmax(-1).tolist() for logits in expected], found)
    say.metric("llama_cpp_top1", share)
    if share < LLAMA_CPP_AGREES:
        text = f"llama.cpp chooses another next token than transformers for {1 - share:.0%} of tokens"
        say.diagnostic(Severity.WARNING, "llama-cpp-differs", text, "the same weights, read by two programs")
