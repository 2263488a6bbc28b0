"""A model as a `ModelProfile`, from its files or its name: nothing is loaded, run, or fetched.

A local folder is read exactly (`config.json`, safetensors headers), a GGUF file by its header, a hub id by the
catalogue or by the size in its name. What is unsafe or no model is refused here, before any library sees it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from advisor.domain.errors import AdvisorError
from advisor.domain.knowledge import Catalog
from advisor.domain.profiles import ModelProfile
from advisor.probe.gguf_header import GGUF_MAGIC, read_gguf
from advisor.probe.model_config import shape_from_config
from advisor.probe.model_name import from_name
from advisor.probe.quantization import count_parameters, main_dtype, quantization_of
from advisor.probe.safetensors_header import read_weights
from advisor.probe.untrusted import read_json, refuse_own_code, refuse_pickle

BUILTIN = "builtin:"
BUILTINS = {"builtin:smollm2-135m-instruct": "HuggingFaceTB/SmolLM2-135M-Instruct"}
"""Built-in id -> the hub id of the same model."""


def probe_model(id_or_path: str, catalog: Catalog) -> ModelProfile:
    """What is known of a model by its id or path.

    Raises `AdvisorError`: a path that does not exist, a folder or file that is no model, broken files (all exit 2);
    pickled weights or a repository that wants its own code run (exit 8). An unknown hub id is no error: its profile
    has `origin` "unknown" and no size.
    """
    if id_or_path.startswith(BUILTIN):
        return _builtin(id_or_path, catalog)
    path = Path(id_or_path).expanduser()
    if path.is_dir():
        return _folder(id_or_path, path)
    if path.is_file():
        return _file(id_or_path, path)
    if is_path(id_or_path):
        raise AdvisorError(
            f"there is no model at {id_or_path}", hint="check the path, or give a hub id such as org/name"
        )
    return from_name(id_or_path, catalog)


def is_path(text: str) -> bool:
    """Whether it names a place on this machine, there or not, rather than a model of the hub or a built-in one."""
    if text.startswith(BUILTIN):
        return False
    starts = text.startswith(("/", "./", "../", "~", ".\\", "..\\")) or text[1:3] == ":\\"
    is_named_so = starts or text.endswith((".gguf", ".safetensors", ".json")) or text.count("/") > 1
    return is_named_so or Path(text).exists()


def _builtin(model_id: str, catalog: Catalog) -> ModelProfile:
    hub_id = BUILTINS.get(model_id)
    if hub_id is None:
        raise AdvisorError(f"there is no built-in model {model_id}", hint=f"built in: {', '.join(BUILTINS)}")
    known = from_name(hub_id, catalog)
    return known.model_copy(update={"id": model_id, "kind": "instruct", "dtype": "bfloat16", "origin": "builtin"})


def _file(model_id: str, path: Path) -> ModelProfile:
    with path.open("rb") as file:
        start = file.read(4)
    if start == GGUF_MAGIC:
        return read_gguf(model_id, path)
    refuse_pickle(path)
    raise AdvisorError(
        f"{path} is not a model",
        why="a model is a folder, or one GGUF file",
        hint="give the folder that holds config.json",
    )


def _folder(model_id: str, folder: Path) -> ModelProfile:
    """A folder in the Hugging Face layout."""
    if (folder / "adapter_config.json").exists() and not list(folder.glob("model*.safetensors")):
        _refuse_adapter(folder)
    if not (folder / "config.json").exists():
        _refuse_other_folder(folder)
    refuse_own_code(folder)
    config = read_json(folder / "config.json")
    shape = shape_from_config(config)
    tensors, stored = read_weights(folder)
    params = count_parameters(tensors, config, shape.tied)
    quantized = quantization_of(config)
    dtype = main_dtype(tensors)
    facts = {"params": params, "name": shape.name or folder.name}
    if quantized is None and dtype is not None:
        facts["dtype"] = dtype
    return ModelProfile(
        id=model_id,
        path=str(folder.absolute()),
        shape=shape.model_copy(update=facts),
        params_b=params / 1e9,
        kind="instruct" if has_chat_template(folder) else "base",
        quantized=quantized,
        dtype=dtype,
        disk_bytes=stored,
        context_length=shape.max_positions or None,
        origin="local",
    )


def _refuse_adapter(folder: Path) -> None:
    base: Any = read_json(folder / "adapter_config.json").get("base_model_name_or_path")
    name = f" ({base[:100]})" if isinstance(base, str) and base.isprintable() else ""
    raise AdvisorError(
        f"{folder} is an adapter, not a whole model",
        why="it holds only what was trained beside its base model",
        hint=f"give its base model{name}, or merge the adapter into it first (adapter-merge)",
    )


def _refuse_other_folder(folder: Path) -> None:
    ggufs = sorted(folder.glob("*.gguf"))
    if ggufs:
        raise AdvisorError(f"{folder} holds GGUF files and no config.json", hint=f"give the file, e.g. {ggufs[0]}")
    raise AdvisorError(
        f"{folder} is not a model",
        why="it has no config.json",
        hint="give a folder with config.json and model.safetensors, a GGUF file, or a hub id",
    )


def has_chat_template(folder: Path) -> bool:
    """True when the tokenizer of the folder knows how to write a chat."""
    if any((folder / name).exists() for name in ("chat_template.jinja", "chat_template.json")):
        return True
    path = folder / "tokenizer_config.json"
    return path.exists() and bool(read_json(path).get("chat_template"))
