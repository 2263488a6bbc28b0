"""Loads any model artifact for computing: folders, quantized folders, GGUF files, adapters on a base.

Weights come from safetensors or GGUF only, and only after their headers were checked; code of a repository is never
run and pickles are never opened. Loading a model somebody else will change (merge, prune) is not done here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from advisor.domain.errors import AdvisorError
from advisor.domain.words import ArtifactKind
from executors.models.device import Precision, choose_device, choose_dtype
from executors.tensors.folder import local_folder, open_model

HUB_FILES = ("*.json", "*.safetensors", "*.jinja", "tokenizer.model", "merges.txt", "vocab.txt")
"""What is taken of a repository on the hub: no code and no pickles."""


@dataclass(frozen=True)
class Loaded:
    """A model in evaluation mode with its tokenizer. `bytes`: size of all its files, adapter included."""

    model: Any
    tokenizer: Any
    bytes: int


def load_model(
    kind: ArtifactKind,
    path: str,
    precision: Precision = "auto",
    adapter: str | None = None,
    quantization: Any = None,
    device: str | None = None,
) -> Loaded:
    """Load a model of `kind` from a folder, a GGUF file, a `builtin:` id, or an id in the hub's local cache.

    `adapter`: folder of an adapter put on top, unmerged. `quantization`: a `BitsAndBytesConfig` applied while
    loading. `device`: where the weights of a folder go, if not to the first GPU. Raises AdvisorError for what is
    missing, damaged, unsafe, or does not fit together.
    """
    dtype = choose_dtype(precision)
    if kind == ArtifactKind.GGUF:
        from executors.models.gguf_import import load_gguf

        file = gguf_path(path)
        model, tokenizer = load_gguf(file, dtype)
        model.to(choose_device())
        size = file.stat().st_size
    elif kind in (ArtifactKind.CAUSAL_LM, ArtifactKind.SPARSE_LM, ArtifactKind.QUANTIZED_LM):
        folder = find_folder(path)
        model, tokenizer = _from_folder(folder, dtype, quantization, device)
        size = folder_bytes(folder)
    else:
        raise AdvisorError(f"{path} is a {kind}, which is not a model that can be loaded")
    if adapter is not None:
        from executors.adapters.store import load_adapter

        model = load_adapter(model, Path(adapter))
        size += folder_bytes(Path(adapter))
    return Loaded(model.eval(), tokenizer, size)


def find_folder(path: str) -> Path:
    """The local folder of a `builtin:` id, a path, or a hub id. The hub is asked only if HF_HUB_OFFLINE is 0."""
    if path.startswith("builtin:") or Path(path).expanduser().exists() or path.count("/") != 1:
        return local_folder(path)
    from huggingface_hub import snapshot_download

    is_offline = os.environ.get("HF_HUB_OFFLINE", "1") != "0"
    try:
        return Path(snapshot_download(path, allow_patterns=list(HUB_FILES), local_files_only=is_offline))
    except (OSError, ValueError) as error:
        raise AdvisorError(
            f"the model {path} is not on this machine",
            why=str(error).splitlines()[0],
            hint="set HF_HUB_OFFLINE=0 to fetch it, give a local folder, or take builtin:smollm2-135m-instruct",
        ) from None


def gguf_path(path: str) -> Path:
    """The GGUF file at `path`, or the only one in the folder `path`. Raises AdvisorError when there is none."""
    found = Path(path).expanduser()
    files = sorted(found.glob("*.gguf")) if found.is_dir() else [found]
    if len(files) != 1 or not files[0].is_file():
        raise AdvisorError(f"there is no GGUF file at {path}", why=f"{len(files)} files end in .gguf")
    return files[0]


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a model folder. Raises AdvisorError when it cannot be read."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise AdvisorError(f"the tokenizer of {folder} cannot be read", why=str(error).splitlines()[0]) from None


def _from_folder(folder: Path, dtype: Any, quantization: Any, device: str | None) -> tuple[Any, Any]:
    import logging

    from transformers import AutoModelForCausalLM

    stored = open_model(folder)
    # One warning per layer and token otherwise.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    extra = {"quantization_config": quantization} if quantization is not None else {}
    try:
        model = AutoModelForCausalLM.from_pretrained(
            str(folder),
            dtype=dtype,
            device_map={"": str(choose_device())} if quantization is not None or stored.quantized else None,
            trust_remote_code=False,
            local_files_only=True,
            use_safetensors=True,
            **extra,
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise AdvisorError(f"{folder} cannot be loaded", why=str(error).splitlines()[0][:300]) from None
    if quantization is None and not stored.quantized:
        model.to(device or choose_device())
    tokenizer = load_tokenizer(folder)
    rows = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > rows:
        raise AdvisorError(
            f"the tokenizer in {folder} does not fit the model",
            why=f"it knows {len(tokenizer)} tokens and the model {rows}",
        )
    return model, tokenizer
