"""Merging several models of one shape, tensor by tensor: at most one tensor of each stands in memory.

What must agree is checked before a weight is read: tensors, shapes, vocabulary, rotary positions.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from advisor.domain.errors import AdvisorError
from executors.merge.methods import METHODS, WITH_BASE, Mix
from executors.protocol import Inputs, Say, Stopped
from executors.tensors.folder import ModelFolder, copy_companions, open_model, read_json, write_json
from executors.tensors.source import read_tensor, require_finite, torch_dtype
from executors.tensors.writer import TensorSpec, TensorWriter

if TYPE_CHECKING:
    import torch

    from executors.merge import Config

MUST_AGREE = (
    "model_type",
    "hidden_size",
    "num_attention_heads",
    "num_key_value_heads",
    "rope_parameters",
    "rope_theta",
)


def variants(inputs: Inputs) -> list[str]:
    """The paths of `models.0`, `models.1`, ... in order."""
    roles = sorted((role for role in inputs.roles if role.startswith("models.")), key=lambda role: int(role[7:]))
    return [inputs.path(role) for role in roles]


def open_variants(config: Config, inputs: Inputs) -> tuple[ModelFolder | None, list[ModelFolder]]:
    """The base, if the method works from one, and the models. Raises AdvisorError when they do not fit together."""
    models = [open_model(path) for path in variants(inputs)]
    if len(models) < 2 or (config.method == "slerp" and len(models) != 2):
        wanted = "exactly two" if config.method == "slerp" else "two or more"
        raise AdvisorError(f"{config.method} merges {wanted} models", why=f"the plan gives it {len(models)}")
    if config.weights is not None and len(config.weights) != len(models):
        raise AdvisorError(f"{len(config.weights)} weights are given for {len(models)} models")
    base = None
    if config.method in WITH_BASE:
        if "model" not in inputs.roles:
            raise AdvisorError(
                f"{config.method} needs the model that all others were trained from", hint="give it as role `model`"
            )
        base = open_model(inputs.path("model"))
    for other in models if base else models[1:]:
        _require_alike(base or models[0], other)
    return base, models


def merge_models(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    """Write the merged model below `out`, with the companions of the base, or else of the first model."""
    base, models = open_variants(config, inputs)
    first = base or models[0]
    weights = config.weights or (1.0 / len(models),) * len(models)
    specs = [TensorSpec.like(info) for info in first.tensors.values()]
    with TensorWriter(out, specs) as writer:
        for number, spec in enumerate(specs, start=1):
            if say.should_stop():
                raise Stopped
            mix = Mix(weights, config.density, config.at, _generator(inputs.seed, spec.name))
            original = read_tensor(base.tensors[spec.name]) if base else None
            given = [read_tensor(model.tensors[spec.name]) for model in models]
            merged = METHODS[config.method](original, given, mix).to(torch_dtype(spec.dtype))
            require_finite(spec.name, merged)
            writer.write(spec.name, merged)
            say.progress(number, len(specs), "tensors", spec.name)
    write_json(out / "config.json", first.config)
    copy_companions(first.path, out)


def _generator(seed: int, name: str) -> torch.Generator:
    """Seeded by the tensor's name, so that what is drawn does not depend on the order of tensors."""
    import torch

    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big", signed=True))


def _require_alike(first: ModelFolder, other: ModelFolder) -> None:
    def refuse(why: str) -> AdvisorError:
        hint = "only models trained from one base can be merged; distill between different ones"
        return AdvisorError(f"{other.path} cannot be merged with {first.path}", why=why, hint=hint)

    for key in MUST_AGREE:
        if first.config.get(key) != other.config.get(key):
            raise refuse(f"{key} is {other.config.get(key)} and {first.config.get(key)}")
    if other.quantized or first.quantized:
        raise refuse("one of them is quantized")
    if missing := set(first.tensors) ^ set(other.tensors):
        raise refuse(f"only one of them has tensor {min(missing)}")
    for name, info in first.tensors.items():
        if other.tensors[name].shape != info.shape:
            raise refuse(f"{name} is {other.tensors[name].shape} and {info.shape}")
    if _vocabulary(first.path) != _vocabulary(other.path):
        raise refuse("their tokenizers have different vocabularies")


def _vocabulary(folder: Path) -> object:
    file = folder / "tokenizer.json"
    return (read_json(file).get("model") or {}).get("vocab") if file.is_file() else None
