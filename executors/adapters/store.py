"""Writes adapters, puts them on a base again, and holds several on one base: swapped, stacked, or taken off."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from advisor.domain.errors import AdvisorError
from executors.adapters.masked import mark, mask_layers, masked_names
from executors.tensors.folder import read_json
from executors.tensors.header import read_header

WEIGHTS, SETTINGS = "adapter_model.safetensors", "adapter_config.json"
BOTTLENECK = "BOTTLENECK"
STACKABLE = ("LORA", "IA3", BOTTLENECK)
"""Kinds of which several act at once; of soft prompts one is in front at a time."""


def save_adapter(model: Any, folder: Path, base: str) -> None:
    """Write `adapter_model.safetensors` and `adapter_config.json`. `base`: the name recorded for the base model.

    Written here and not by PEFT, whose model card would name the path of the base on this machine.
    """
    if not hasattr(model, "peft_config"):
        from executors.adapters.bottleneck import save_bottlenecks

        save_bottlenecks(model, folder, base)
        return
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    mark(model, folder)
    weights = get_peft_model_state_dict(model, save_embedding_layers=False)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    settings = model.peft_config["default"]
    settings.base_model_name_or_path = base
    settings.inference_mode = True
    settings.save_pretrained(str(folder))


def kind_of(folder: Path) -> str:
    """What kind of adapter a folder holds: LORA, IA3, PROMPT_TUNING, PREFIX_TUNING, BOTTLENECK, ...

    Raises AdvisorError when it holds none.
    """
    if not (folder / WEIGHTS).is_file():
        raise AdvisorError(f"{folder} holds no {WEIGHTS}", hint="give the folder of an adapter")
    return str(read_json(folder / SETTINGS).get("peft_type"))


def load_adapter(model: Any, folder: Path, name: str = "default", is_trainable: bool = False) -> Any:
    """The model with the adapter on top, unmerged, beside those it has. Raises AdvisorError when they do not fit."""
    kind = kind_of(folder)
    read_header(folder / WEIGHTS)
    if kind == BOTTLENECK:
        from executors.adapters.bottleneck import load_bottlenecks

        loaded = load_bottlenecks(model, folder, name)
        if not is_trainable:
            loaded.requires_grad_(False)
        return loaded
    from peft import PeftModel

    exact = kind == "IA3" or bool(read_json(folder / SETTINGS).get("use_dora"))
    options: dict[str, Any] = {
        "is_trainable": is_trainable, "autocast_adapter_dtype": exact and is_trainable, "local_files_only": True
    }  # fmt: skip
    try:
        if isinstance(model, PeftModel):
            model.load_adapter(str(folder), adapter_name=name, **options)
        else:
            model = PeftModel.from_pretrained(model, str(folder), adapter_name=name, **options)
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        why = str(error).splitlines()[0][:300]
        raise AdvisorError(f"the adapter in {folder} does not fit this model", why=why) from None
    if masked := masked_names(folder):
        mask_layers(model, masked)
    return model


class AdapterShelf:
    """Several adapters of one kind on one base in memory. `use` says which act; none: the base as it was."""

    def __init__(self, base: Any) -> None:
        self.model = base
        self._kinds: dict[str, str] = {}

    def add(self, name: str, folder: Path) -> None:
        """Load an adapter under a name. Raises AdvisorError for one that cannot stand beside the others."""
        kind = kind_of(folder)
        others = set(self._kinds.values()) - {kind}
        if others:
            raise AdvisorError(f"{kind} adapters cannot share a base in memory with {', '.join(sorted(others))}",
                               hint="load the base once for each kind")  # fmt: skip
        self.model = load_adapter(self.model, folder, name)
        self._kinds[name] = kind

    def use(self, *names: str) -> Any:
        """The model with exactly these adapters at work, one on another. Raises AdvisorError for unknown ones."""
        unknown = [name for name in names if name not in self._kinds]
        if unknown:
            raise AdvisorError(f"no adapter {unknown[0]!r} is loaded", hint=f"loaded are {', '.join(self._kinds)}")
        kind = next(iter(self._kinds.values()), "")
        if len(names) > 1 and kind not in STACKABLE:
            raise AdvisorError(f"{kind} adapters cannot be stacked", why="one soft prompt stands in front at a time")
        if kind == BOTTLENECK:
            self.model.bottlenecks.active = names
        elif kind:
            self._use_peft(names)
        return self.model

    def _use_peft(self, names: Sequence[str]) -> None:
        if len(names) == 1:
            self.model.set_adapter(names[0], inference_mode=True)
        elif names:
            self.model.base_model.set_adapter(list(names), inference_mode=True)
        inner = self.model.base_model
        if hasattr(inner, "enable_adapter_layers"):
            inner.enable_adapter_layers() if names else inner.disable_adapter_layers()
        elif not names:
            raise AdvisorError("a soft prompt is taken off by loading the base without it")
