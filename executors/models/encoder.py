"""Encoders in a folder as transformers saves them, for search: embedding models and cross-encoders. Loaded with their
tokenizer, weights from one safetensors file and nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from advisor.domain.errors import AdvisorError
from executors.artifact import sha256_of
from executors.models.device import Precision, choose_device, choose_dtype
from executors.models.load import load_tokenizer
from executors.tensors.header import read_header

WEIGHTS = "model.safetensors"


def weights_hash(folder: Path) -> str:
    """SHA-256 of the weights: what was computed with others is not what these would compute."""
    return sha256_of(folder / WEIGHTS)


def load_encoder(folder: Path, kind: Any, precision: Precision = "auto") -> tuple[Any, Any]:
    """Model and tokenizer of a folder, for inference on the device there is. `kind`: an Auto class of transformers.

    Raises AdvisorError for what is unsafe or cannot be loaded.
    """
    read_header(folder / WEIGHTS)
    tokenizer = load_tokenizer(folder)
    try:
        model = kind.from_pretrained(
            str(folder),
            dtype=choose_dtype(precision),
            trust_remote_code=False,
            local_files_only=True,
            use_safetensors=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise AdvisorError(f"{folder} cannot be loaded", why=str(error).splitlines()[0][:300]) from None
    return model.to(choose_device()).eval(), tokenizer
