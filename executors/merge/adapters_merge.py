"""Several LoRA adapters of one base into one adapter.

Linear, task arithmetic and SLERP are exact: the sum of c B A is [c1 B1, c2 B2] [A1; A2], of the rank of all together.
TIES and DARE change the products entry by entry, and what they leave is brought back to a rank by its singular values;
how much that loses is measured and reported. The same holds for any method with a `rank` that is too small.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advisor.domain.errors import AdvisorError, Diagnostic
from executors.merge.adapter import Adapter, open_adapter, pattern_value
from executors.merge.arrays import Files, size_of
from executors.merge.compatible import require_count
from executors.merge.delta import lora_scale
from executors.merge.factors import Factors, joined, product, shares_on_arc, truncated
from executors.merge.methods import METHODS
from executors.merge.models_merge import mix_for
from executors.merge.vectors import Held
from executors.protocol import Inputs, Machine, Say, Stopped
from executors.tensors.folder import copy_companions, write_json
from executors.tensors.header import TensorInfo

if TYPE_CHECKING:
    from executors.merge import Config

WEIGHTS = "adapter_model.safetensors"
_PART = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<part>[AB])\.weight")
_EXACT = ("linear", "task-arithmetic", "slerp")


def preflight_adapters(config: Config, inputs: Inputs, machine: Machine) -> list[Diagnostic]:
    """What would make the merge fail, and whether it will be exact."""
    from executors.tensors.checks import refusal, warning

    try:
        adapters = open_adapters(config, inputs)
    except AdvisorError as error:
        return [refusal("cannot-be-merged", error)]
    if config.method in _EXACT and config.rank is None:
        return []
    text = f"{config.method} of adapters is brought back to a low rank"
    because = "what it loses is measured and reported as svd_error"
    return [warning("low-rank", text, because, f"{', '.join(_EXACT)} without `rank` are exact")] if adapters else []


def open_adapters(config: Config, inputs: Inputs) -> list[Adapter]:
    """The adapters `adapters.0`, ... Raises AdvisorError when they do not belong to one base or are no plain LoRA."""
    roles = sorted((r for r in inputs.roles if r.startswith("adapters.")), key=lambda role: int(role[9:]))
    adapters = [open_adapter(inputs.path(role)) for role in roles]
    require_count(config, len(adapters), "adapters")
    first = adapters[0]
    for adapter in adapters:
        if adapter.base_name != first.base_name:
            why = f"one was trained on {adapter.base_name}, the other on {first.base_name}"
            raise AdvisorError(f"{adapter.path} cannot be merged with {first.path}", why=why)
        for name in adapter.tensors:
            if not _PART.fullmatch(name):
                why = f"{name} is no plain LoRA update of a linear layer"
                hint = "fold it into its base with adapter-merge, and merge the models"
                raise AdvisorError(f"{adapter.path} cannot be merged with other adapters", why=why, hint=hint)
    shapes: dict[str, tuple[int, int]] = {}
    for adapter in adapters:
        for module, shape in _shapes(adapter).items():
            if shapes.setdefault(module, shape) != shape:
                why = f"{module} is {shape} and {shapes[module]}"
                raise AdvisorError(f"{adapter.path} cannot be merged with {first.path}", why=why)
    return adapters


def merge_adapters(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    """Write one adapter below `out`, its weights in 32 bits."""
    from safetensors.numpy import save_file

    adapters = open_adapters(config, inputs)
    modules = sorted({module for adapter in adapters for module in _shapes(adapter)})
    tensors: dict[str, Any] = {}
    ranks: dict[str, int] = {}
    lost = whole = 0.0
    with Files() as files:
        for number, module in enumerate(modules, start=1):
            if say.should_stop():
                raise Stopped
            given = [_factors(files, adapter, module) for adapter in adapters]
            found, missing, norm = _merged(config, inputs.seed, module, given)
            lost, whole = lost + missing, whole + norm
            ranks[module] = found.rank
            tensors[f"base_model.model.{module}.lora_A.weight"] = found.a
            tensors[f"base_model.model.{module}.lora_B.weight"] = found.b
            say.progress(number, len(modules), "tensors", module)
    out.mkdir(parents=True, exist_ok=True)
    save_file(tensors, out / WEIGHTS, metadata={"format": "pt"})
    write_json(out / "adapter_config.json", _config(adapters[0], ranks))
    copy_companions(adapters[0].path, out)
    say.metric("merged_modules", len(modules))
    say.metric("svd_error", (lost / whole) ** 0.5 if whole else 0.0)


def _merged(config: Config, seed: int, module: str, given: list[Factors | None]) -> tuple[Factors, float, float]:
    """The update of one module, the squared norm that its rank cost, and the squared norm of the update itself."""
    import numpy as np

    layers = 1 + max((int(n) for n in re.findall(r"\.layers\.(\d+)\.", module)), default=0)
    mix = mix_for(config, seed, f"{module}.weight", layers, len(given))
    shape = next(factors.shape for factors in given if factors is not None)
    rank = config.rank or sum(factors.rank for factors in given if factors is not None)
    if config.method in _EXACT:
        shares = shares_on_arc(given, mix.at) if config.method == "slerp" else list(mix.weights)
        divisor = sum(shares) if config.method != "slerp" and mix.is_normalized else 1.0
        pairs = [(f, share * mix.scale / divisor) for f, share in zip(given, shares, strict=True) if f is not None]
        found = joined(pairs)
        if found.rank <= rank:
            return found, 0.0, 1.0
        return truncated(product(found), rank)
    deltas = [product(factors) if factors is not None else np.zeros(shape, np.float32) for factors in given]
    parts = METHODS[config.method](Held(deltas, np.zeros(shape, np.float32)), mix)
    delta = np.concatenate([values for _, values in parts]).reshape(shape)
    return truncated(delta, rank)


def _factors(files: Files, adapter: Adapter, module: str) -> Factors | None:
    """The update that an adapter makes to a module, its scale multiplied in; None when it makes none."""
    parts = {part: adapter.tensors.get(f"base_model.model.{module}.lora_{part}.weight") for part in ("A", "B")}
    a, b = parts["A"], parts["B"]
    if a is None or b is None:
        return None
    alpha = pattern_value(adapter.config.get("alpha_pattern"), module, adapter.config.get("lora_alpha", 1))
    scale = lora_scale(float(alpha), a.shape[0], bool(adapter.config.get("use_rslora")))
    return Factors(_read(files, a), _read(files, b) * scale)


def _read(files: Files, info: TensorInfo) -> Any:
    return files.read(info, 0, size_of(info)).reshape(info.shape)


def _shapes(adapter: Adapter) -> dict[str, tuple[int, int]]:
    """Module -> shape of its update [out, in]."""
    found: dict[str, tuple[int, int]] = {}
    for name, info in adapter.tensors.items():
        match = _PART.fullmatch(name)
        if match is not None:
            out, width = found.get(match["module"], (0, 0))
            found[match["module"]] = (out, info.shape[1]) if match["part"] == "A" else (info.shape[0], width)
    return found


def _config(first: Adapter, ranks: dict[str, int]) -> dict[str, Any]:
    """As the first adapter's, with a scale of 1 and the modules by their full names."""
    usual = max(set(ranks.values()), key=list(ranks.values()).count)
    other = {module: rank for module, rank in ranks.items() if rank != usual}
    return {
        **first.config,
        "r": usual,
        "lora_alpha": usual,
        "rank_pattern": other,
        "alpha_pattern": other,
        "use_rslora": False,
        "target_modules": sorted(ranks),
        "modules_to_save": None,
        "lora_dropout": 0.0,
        "inference_mode": True,
    }
