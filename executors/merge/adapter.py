"""A LoRA, DoRA or IA3 adapter folder, and which of a base model's tensors it changes how. Headers only; no torch.

Every tensor of the adapter must find its place: one that is not understood, or does not fit, refuses the merge
instead of being dropped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from advisor.domain.errors import AdvisorError
from executors.merge.delta import lora_scale
from executors.tensors.folder import ModelFolder, read_json
from executors.tensors.header import TensorInfo, read_header

WEIGHTS = "adapter_model.safetensors"
EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"
_PREFIX = "base_model.model."
_PART = re.compile(
    r"(?P<module>.+)\.(?P<part>lora_A|lora_B|lora_embedding_A|lora_embedding_B|lora_magnitude_vector)(\.weight)?"
)
_LENGTHS = re.compile(r"(?P<module>.+)\.ia3_l")
KINDS = ("LORA", "IA3")
_UNSUPPORTED = (
    "layer_replication",
    "target_parameters",
    "trainable_token_indices",
    "lora_bias",
    "use_qalora",
    "use_bdlora",
    "alora_invocation_tokens",
    "arrow_config",
    "kasa_config",
    "velora_config",
    "monteclora_config",
)
_BASE_CHANGING = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""Initialisations that also change the base, so that the adapter is no update of the base as published."""


@dataclass(frozen=True)
class Change:
    """How one tensor of the merged model comes about.

    `base` is where it starts from, `replacement` what stands in for it; then the LoRA parts are added, or all is
    multiplied by `lengths`.
    """

    base: TensorInfo
    replacement: TensorInfo | None = None
    a: TensorInfo | None = None
    b: TensorInfo | None = None
    magnitude: TensorInfo | None = None
    lengths: TensorInfo | None = None
    """IA3: [out, 1] for keys and values, [1, in] for what feeds a feed-forward layer."""
    scale: float = 1.0
    is_transposed: bool = False
    """The update is stored the other way round than the weight (`fan_in_fan_out`, embeddings)."""


@dataclass(frozen=True)
class Adapter:
    path: Path
    config: dict[str, Any]
    tensors: dict[str, TensorInfo]

    @property
    def base_name(self) -> str:
        """The base it was trained on, as its trainer named it."""
        return str(self.config.get("base_model_name_or_path") or "")


def open_adapter(path: str | Path) -> Adapter:
    """Check an adapter folder. Raises AdvisorError for other kinds, damage, and options not supported."""
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise AdvisorError(f"no adapter folder at {path}", hint="give the folder that holds adapter_config.json")
    config = read_json(folder / "adapter_config.json")
    if config.get("peft_type") not in KINDS:
        raise AdvisorError(
            f"{folder} is an adapter of type {config.get('peft_type')}",
            why="only LoRA, DoRA and IA3 adapters can be merged",
        )
    unsupported = [key for key in _UNSUPPORTED if config.get(key)]
    if str(config.get("init_lora_weights")).lower().startswith(_BASE_CHANGING):
        unsupported.append(f"init_lora_weights: {config['init_lora_weights']}")
    if unsupported:
        raise AdvisorError(
            f"{folder} uses {unsupported[0]}, which this merge does not support",
            hint="merge it with the library that trained it",
        )
    if not (folder / WEIGHTS).is_file():
        raise AdvisorError(f"{folder} has no {WEIGHTS}", hint="save the adapter as safetensors; pickles are not read")
    return Adapter(folder, config, read_header(folder / WEIGHTS))


def plan_changes(model: ModelFolder, adapter: Adapter) -> dict[str, Change]:
    """The tensors that change, by their name in the merged model.

    A head that only exists as the tied embedding appears under its own name when the adapter treats the two
    differently: the merged model is then untied. Raises AdvisorError for an adapter of another base.
    """
    changes: dict[str, Change] = {}
    for name, info in adapter.tensors.items():
        if vector := _LENGTHS.fullmatch(_plain(name)):
            changes |= _lengthened(model, adapter, vector["module"], info)
            continue
        found = _PART.fullmatch(_plain(name))
        target = f"{found['module']}.weight" if found else _plain(name)
        change = changes.get(target) or Change(_base_of(model, adapter, target))
        changes[target] = _with_part(change, found["part"], info) if found else replace(change, replacement=info)
    finished = {name: _finished(adapter, name, change) for name, change in changes.items()}
    if (
        model.is_tied
        and EMBEDDING in finished
        and HEAD not in finished
        and not adapter.config.get("ensure_weight_tying")
    ):
        finished[HEAD] = Change(model.tensors[EMBEDDING])
    return finished


def _lengthened(model: ModelFolder, adapter: Adapter, module: str, info: TensorInfo) -> dict[str, Change]:
    """What one vector of IA3 changes: the weight, and the bias where it scales the output."""
    weight = _base_of(model, adapter, f"{module}.weight")
    is_transposed = bool(adapter.config.get("fan_in_fan_out"))
    out, width = weight.shape[::-1] if is_transposed else weight.shape
    if info.shape not in ((out, 1), (1, width)):
        raise _other_base(adapter, f"its vector for {module} is {info.shape} where the base has {weight.shape}")
    found = {f"{module}.weight": Change(weight, lengths=info, is_transposed=is_transposed)}
    bias = model.tensors.get(f"{module}.bias")
    if bias is not None and info.shape == (out, 1):
        found[f"{module}.bias"] = Change(bias, lengths=info)
    return found


def _plain(name: str) -> str:
    return name.removeprefix(_PREFIX).replace(".base_layer.", ".")


def _base_of(model: ModelFolder, adapter: Adapter, target: str) -> TensorInfo:
    if target in model.tensors:
        return model.tensors[target]
    if target == HEAD and EMBEDDING in model.tensors:
        return model.tensors[EMBEDDING]
    raise _other_base(adapter, f"the base has no tensor {target}")


def _with_part(change: Change, part: str, info: TensorInfo) -> Change:
    if part == "lora_magnitude_vector":
        return replace(change, magnitude=info)
    is_transposed = change.is_transposed or "embedding" in part
    if part.endswith("A"):
        return replace(change, a=info, is_transposed=is_transposed)
    return replace(change, b=info, is_transposed=is_transposed)


def _finished(adapter: Adapter, name: str, change: Change) -> Change:
    """With scale and orientation, its shapes checked."""
    base = change.base
    if change.replacement is not None and change.replacement.shape != base.shape:
        raise _other_base(adapter, f"{name} is {change.replacement.shape} where the base has {base.shape}")
    if change.a is None and change.b is None:
        return change
    if change.a is None or change.b is None:
        raise AdvisorError(f"{adapter.path} holds only half of the update of {name}", hint="train or copy it again")
    is_embedding = change.is_transposed
    is_transposed = is_embedding or bool(adapter.config.get("fan_in_fan_out"))
    if is_embedding and change.magnitude is not None:
        raise AdvisorError(f"{adapter.path} uses DoRA on {name}", why="this merge supports DoRA on linear layers only")
    update = (change.b.shape[0], change.a.shape[1])
    if (update[::-1] if is_transposed else update) != base.shape or change.b.shape[1] != change.a.shape[0]:
        raise _other_base(adapter, f"its update of {name} is {update} where the base has {base.shape}")
    module = name.removesuffix(".weight")
    alpha = pattern_value(adapter.config.get("alpha_pattern"), module, adapter.config.get("lora_alpha", 1))
    scale = lora_scale(float(alpha), change.a.shape[0], bool(adapter.config.get("use_rslora")))
    return replace(change, scale=scale, is_transposed=is_transposed)


def pattern_value(patterns: dict[str, Any] | None, module: str, default: Any) -> Any:
    """The value of the first pattern that the module's name ends with, as PEFT chooses it."""
    for pattern, value in (patterns or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return value
    return default


def _other_base(adapter: Adapter, why: str) -> AdvisorError:
    trained = f"it was trained on {adapter.base_name}" if adapter.base_name else "give the base it was trained on"
    return AdvisorError(f"the adapter {adapter.path} does not fit this base model", why=why, hint=trained)
