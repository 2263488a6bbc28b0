"""A model folder to bitsandbytes int8 or NF4, as transformers saves and reloads it.

NF4 with double quantization (Dettmers et al. 2023, arXiv 2305.14314); int8 with LLM.int8() (arXiv 2208.07339).
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from advisor.domain.errors import AdvisorError, ExitCode
from executors.export.likeness import GREEDY, Likeness, check_likeness, name_of, voice_of
from executors.export.parity import Limits, model_logits, prompt_ids, spoken
from executors.protocol import Say
from executors.tensors.decoder import StreamedDecoder
from executors.tensors.folder import ModelFolder, copy_companions, open_model
from executors.tensors.source import FolderSource

LIMITS = {"bnb-int8": Limits(0.3, 0.75), "bnb-nf4": Limits(2.0, 0.35)}
"""What a form may lose: six to ten times what it loses on a healthy model of 135 million parameters."""


def to_bitsandbytes(model: ModelFolder, out: Path, form: str, say: Say) -> None:
    """Write the quantized model below `out`, reload it, and compare its logits with the model's."""
    import torch
    from transformers import BitsAndBytesConfig

    if form == "bnb-int8":
        settings: Any = BitsAndBytesConfig(load_in_8bit=True)
    else:
        settings = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=torch.bfloat16,
            bnb_4bit_use_double_quant=True,
        )
    with _quiet():
        quantized = _load(model.path, quantization_config=settings)
        say.progress(1, 3, "steps", "quantized")
        # Saved before its first use: on a CPU the first pass of a 4-bit layer repacks its weights with loss.
        quantized.save_pretrained(str(out))
        copy_companions(model.path, out)
        say.progress(2, 3, "steps", "saved")
        say.metric("bytes", open_model(out).bytes, "bytes")
        prompts = prompt_ids(model.path)
        written = model_logits(quantized, prompts)
        del quantized
        gc.collect()
        again = _load(out)
        reloaded = model_logits(again, prompts)
    if not all(torch.equal(before, after) for before, after in zip(written, reloaded, strict=True)):
        raise AdvisorError(
            "the saved model does not answer like the one that was saved",
            why="its logits changed in saving and loading",
            hint="run the step again; if it stays, report it",
            code=ExitCode.RUN_FAILED,
        )
    original = StreamedDecoder(FolderSource(model), model.path, torch.float32).logits
    pair = Likeness(
        form,
        name_of(model.path),
        original,
        lambda texts: model_logits(again, texts),
        lambda given: spoken(again, given, GREEDY),
    )
    with _quiet():
        check_likeness(pair, model.path, (voice_of(model.path), voice_of(out)), LIMITS[form], out, say)
    say.progress(3, 3, "steps", "compared")


def _load(folder: Path, **options: Any) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(
        str(folder),
        dtype=torch.bfloat16,
        device_map="cuda" if torch.cuda.is_available() else "cpu",
        trust_remote_code=False,
        use_safetensors=True,
        local_files_only=True,
        **options,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """bitsandbytes logs one line per layer and token on a CPU."""
    logger = logging.getLogger("bitsandbytes")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
