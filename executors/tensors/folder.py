"""A model folder: its configuration, where each tensor lies, and the small files that must travel with the weights.

Checks everything that can be checked without reading a weight. It downloads nothing.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from advisor.domain.errors import AdvisorError, ExitCode
from executors.tensors.header import TensorInfo, read_header

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
MAX_JSON_BYTES = 256 * 2**20

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")

COMPANIONS = (
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "chat_template.jinja",
    "chat_template.json",
)
"""Files copied beside new weights. Code and unknown files stay behind; `config.json` is written by the step."""


@dataclass(frozen=True)
class ModelFolder:
    """A checked folder of safetensors weights."""

    path: Path
    config: dict[str, Any]
    tensors: dict[str, TensorInfo]

    @property
    def arch(self) -> str:
        """`model_type` of the configuration."""
        return str(self.config.get("model_type", ""))

    @property
    def is_tied(self) -> bool:
        """The output head is the input embedding: no tensor of its own."""
        return "lm_head.weight" not in self.tensors

    @property
    def bytes(self) -> int:
        return sum(tensor.bytes for tensor in self.tensors.values())

    @property
    def largest(self) -> int:
        """Bytes of the largest tensor."""
        return max((tensor.bytes for tensor in self.tensors.values()), default=0)

    @property
    def params(self) -> int:
        from math import prod

        return sum(prod(tensor.shape) for tensor in self.tensors.values())

    @property
    def quantized(self) -> str | None:
        """The method it is quantized with, or None for dense weights."""
        found = self.config.get("quantization_config")
        return str(found.get("quant_method", "unknown")) if isinstance(found, dict) else None


def open_model(path: str | Path) -> ModelFolder:
    """Check a model folder. Raises AdvisorError for what is missing, damaged, or would run foreign code."""
    folder = local_folder(path)
    config = read_json(folder / "config.json")
    if "auto_map" in config:
        raise AdvisorError(
            f"{folder} needs its own Python code to load",
            why="config.json has `auto_map`; foreign code is never run here",
            hint="use a model whose architecture transformers supports",
            code=ExitCode.REFUSED,
        )
    return ModelFolder(folder, config, _tensors(folder))


def local_folder(path: str | Path) -> Path:
    """The folder of a model given as `builtin:` id, path or hub id. Raises AdvisorError when there is none."""
    if str(path).startswith("builtin:"):
        from executors.models.builtin import ensure

        return Path(ensure(str(path)))
    folder = Path(path).expanduser()
    if not folder.is_dir():
        if _HUB_ID.fullmatch(str(path)):
            from executors.models.load import find_folder

            return find_folder(str(path))
        raise AdvisorError(
            f"no model folder at {path}",
            hint="give a folder with config.json and safetensors weights, or builtin:smollm2-135m-instruct",
        )
    return folder


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object from a file of bounded size. Raises AdvisorError naming the file."""
    try:
        if file.stat().st_size > MAX_JSON_BYTES:
            raise AdvisorError(f"{file} is larger than {MAX_JSON_BYTES >> 20} MiB")
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise AdvisorError(f"{file.parent} has no {file.name}", hint="is this a model folder?") from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise AdvisorError(f"cannot read {file}", why=str(error)) from error
    if not isinstance(found, dict):
        raise AdvisorError(f"{file} does not hold a JSON object")
    return found


def write_json(file: Path, value: object) -> None:
    """Write JSON with sorted keys, synced to disk."""
    import os

    with file.open("w", encoding="utf-8") as stream:
        json.dump(value, stream, indent=2, sort_keys=True, ensure_ascii=False)
        stream.write("\n")
        stream.flush()
        os.fsync(stream.fileno())


def copy_companions(source: Path, out: Path) -> None:
    """Copy tokenizer, chat template and generation settings beside new weights."""
    for name in COMPANIONS:
        if (source / name).is_file():
            shutil.copyfile(source / name, out / name)


def _tensors(folder: Path) -> dict[str, TensorInfo]:
    files = _weight_files(folder)
    tensors: dict[str, TensorInfo] = {}
    for file in files:
        for name, info in read_header(file).items():
            if name in tensors:
                raise AdvisorError(
                    f"{folder} holds tensor {name} twice", why=f"in {tensors[name].file.name} and {file.name}"
                )
            tensors[name] = info
    if not tensors:
        raise AdvisorError(f"{folder} holds no tensors")
    return tensors


def _weight_files(folder: Path) -> list[Path]:
    if (folder / INDEX).is_file():
        weight_map = read_json(folder / INDEX).get("weight_map")
        if not isinstance(weight_map, dict) or not weight_map:
            raise AdvisorError(f"{folder / INDEX} has no weight_map")
        names = sorted({str(name) for name in weight_map.values()})
        if any(Path(name).name != name for name in names):
            raise AdvisorError(f"{folder / INDEX} points outside its folder", code=ExitCode.REFUSED)
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise AdvisorError(
                f"{folder} lacks {len(missing)} of {len(names)} weight files: {', '.join(missing[:5])}",
                hint="fetch or copy the model again",
            )
        return [folder / name for name in names]
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    others = sorted(file.name for file in folder.glob("*.bin")) + sorted(file.name for file in folder.glob("*.gguf"))
    why = f"it holds {', '.join(others[:3])}, which this step does not read" if others else ""
    raise AdvisorError(f"{folder} has no safetensors weights", why=why, hint="convert it to safetensors first")
