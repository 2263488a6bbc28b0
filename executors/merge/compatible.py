"""Whether models can be merged, from configurations, headers and tokenizers alone: no weight is read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from advisor.domain.errors import AdvisorError, Diagnostic
from executors.merge.arrays import FLOATS
from executors.protocol import Inputs
from executors.tensors.folder import ModelFolder, open_model, read_json

if TYPE_CHECKING:
    from executors.merge import Config

MUST_AGREE = (
    "model_type",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "vocab_size",
    "tie_word_embeddings",
)
_ROPE = ("rope_theta", "rope_scaling", "partial_rotary_factor")


def variants(inputs: Inputs) -> list[str]:
    """The paths of `models.0`, `models.1`, ... in order."""
    roles = sorted((role for role in inputs.roles if role.startswith("models.")), key=lambda role: int(role[7:]))
    return [inputs.path(role) for role in roles]


def open_variants(config: Config, inputs: Inputs) -> tuple[ModelFolder | None, list[ModelFolder]]:
    """The base, if the method works from one, and the models. Raises AdvisorError when they do not fit together."""
    models = [open_model(path) for path in variants(inputs)]
    require_count(config, len(models), "models")
    base = None
    if config.has_task_vectors:
        if "model" not in inputs.roles:
            raise AdvisorError(
                f"{config.method} needs the model that all others were trained from", hint="give it as role `model`"
            )
        base = open_model(inputs.path("model"))
    for other in models if base else models[1:]:
        _require_alike(base or models[0], other)
    return base, models


def require_count(config: Config, count: int, what: str) -> None:
    """Raise AdvisorError when a method cannot merge so many, or weights are given for another number."""
    is_task = config.method == "task-arithmetic" or (config.method in ("ties", "dare-linear", "dare-ties"))
    least = 1 if is_task and what == "models" else 2
    if count < least or (config.method == "slerp" and count != 2):
        wanted = "exactly two" if config.method == "slerp" else "two or more"
        raise AdvisorError(f"{config.method} merges {wanted} {what}", why=f"the plan gives it {count}")
    for name, given in (("weights", config.weights), ("densities", config.densities)):
        if given is not None and len(given) != count:
            raise AdvisorError(f"{len(given)} {name} are given for {count} {what}")


def warnings(base: ModelFolder | None, models: list[ModelFolder]) -> list[Diagnostic]:
    """What can be merged and may still not be what was meant."""
    from executors.tensors.checks import warning

    first = base or models[0]
    found = []
    for other in models if base else models[1:]:
        if _template(first.path) != _template(other.path):
            text = f"{other.path} has another chat template than {first.path}"
            hint = "merge models that were trained on one template"
            found.append(warning("other-chat-template", text, "the result takes that of the second named", hint))
    return found


def _require_alike(first: ModelFolder, other: ModelFolder) -> None:
    def refuse(why: str) -> AdvisorError:
        hint = "only models trained from one base can be merged; distill between different ones"
        return AdvisorError(f"{other.path} cannot be merged with {first.path}", why=why, hint=hint)

    for key in MUST_AGREE:
        if first.config.get(key) != other.config.get(key):
            raise refuse(f"{key} is {other.config.get(key)} and {first.config.get(key)}")
    if _rope(first) != _rope(other):
        raise refuse(f"their rotary positions are {_rope(other)} and {_rope(first)}")
    if other.quantized or first.quantized:
        raise refuse("one of them is quantized")
    if missing := set(first.tensors) ^ set(other.tensors):
        raise refuse(f"only one of them has tensor {min(missing)}")
    for name, info in first.tensors.items():
        if other.tensors[name].shape != info.shape:
            raise refuse(f"{name} is {other.tensors[name].shape} and {info.shape}")
        if (other.tensors[name].dtype in FLOATS) != (info.dtype in FLOATS):
            raise refuse(f"{name} is stored as {other.tensors[name].dtype} and {info.dtype}")
    if not _has_same_vocabulary(first.path, other.path):
        raise refuse("their tokenizers have different vocabularies")


def _rope(model: ModelFolder) -> object:
    """Rotary positions, however the configuration spells them."""
    found = dict(model.config.get("rope_parameters") or {})
    found.update({key: model.config[key] for key in _ROPE if model.config.get(key) is not None and key not in found})
    if found.get("rope_type") == "default":
        del found["rope_type"]
    return found


def _has_same_vocabulary(first: Path, other: Path) -> bool:
    files = [folder / "tokenizer.json" for folder in (first, other)]
    if not all(file.is_file() for file in files):
        return not any(file.is_file() for file in files)
    contents = [file.read_bytes() for file in files]
    # Copied files are the rule, and comparing them takes no time.
    return contents[0] == contents[1] or _vocabulary(files[0]) == _vocabulary(files[1])


def _vocabulary(file: Path) -> object:
    return (read_json(file).get("model") or {}).get("vocab")


def _template(folder: Path) -> object:
    for name in ("chat_template.jinja", "chat_template.json"):
        if (folder / name).is_file():
            return (folder / name).read_bytes()
    file = folder / "tokenizer_config.json"
    return read_json(file).get("chat_template") if file.is_file() else None
