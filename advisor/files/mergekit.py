"""mergekit's configuration files, read as a plan of one step: the merge, measured before and after.

What this version merges otherwise than mergekit, or not at all, is refused by key and line; nothing is passed over.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from advisor.domain.base import Frozen
from advisor.domain.errors import AdvisorError
from advisor.domain.plan import ArtifactRef, DataSpec, EvaluationSpec, Plan, Step
from advisor.domain.words import ArtifactKind, DataKind, Family
from advisor.files.located import Located, read_located
from advisor.files.validate import did_you_mean, validate

METHODS = {
    "linear": ("linear", "linear-merge"),
    "task_arithmetic": ("task-arithmetic", "linear-merge"),
    "slerp": ("slerp", "slerp-merge"),
    "ties": ("ties", "ties-merge"),
    "dare_ties": ("dare-ties", "dare-merge"),
    "dare_linear": ("dare-linear", "dare-merge"),
}
"""mergekit's word -> the executor's, and the technique."""
_PARAMETERS = {
    "linear": ("weight", "normalize"),
    "slerp": ("t",),
    "task_arithmetic": ("weight", "normalize", "lambda", "int8_mask"),
    "ties": ("weight", "density", "normalize", "rescale", "lambda", "int8_mask"),
}
_PARAMETERS["dare_ties"] = _PARAMETERS["dare_linear"] = _PARAMETERS["ties"]
_MEASURED = {"max_examples": 64, "seq_len": 512, "multiple_choice": 50, "generate_tokens": 32}
_NO_EFFECT = "int8_mask saves memory in mergekit and changes nothing in the result; here nothing of it is needed"


Dtype = Literal["float32", "float16", "bfloat16"]


class _Input(Frozen):
    model: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    layer_range: tuple[int, int] | None = None


class _Slice(Frozen):
    sources: tuple[_Input, ...] = Field(min_length=1)
    parameters: dict[str, Any] = Field(default_factory=dict)


class _File(Frozen):
    merge_method: str
    models: tuple[_Input, ...] = ()
    slices: tuple[_Slice, ...] = ()
    base_model: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    dtype: Dtype | None = None
    out_dtype: Dtype | None = None
    tokenizer_source: str | None = None


def is_mergekit(path: str) -> bool:
    """True when the file names a merge method, as mergekit's do."""
    return "merge_method" in read_located(path).values


def read_mergekit(path: str) -> Plan:
    """The merge of a mergekit file as a plan. Raises AdvisorError naming file, line and key."""
    located = read_located(path)
    asked = validate(located, _File, "mergekit", hint="keys read here: " + ", ".join(_File.model_fields))
    if asked.merge_method not in METHODS:
        word = f"{asked.merge_method!r} is not merged here{did_you_mean(asked.merge_method, METHODS)}"
        raise AdvisorError(f"{located.place(('merge_method',))}: merge_method: {word}")
    if asked.tokenizer_source not in (None, "base", "union"):
        text = f"tokenizer_source: {asked.tokenizer_source!r}: only models of one vocabulary are merged"
        raise AdvisorError(f"{located.place(('tokenizer_source',))}: {text}", hint="base, union, or leave it out")
    inputs = _inputs(located, asked)
    merged, base = _merged(located, asked, inputs)
    return _plan(located, asked, merged, base)


def _inputs(located: Located, asked: _File) -> list[_Input]:
    if bool(asked.models) == bool(asked.slices):
        raise AdvisorError(f"{located.place(())}: give either models or slices")
    if not asked.slices:
        return list(asked.models)
    if len(asked.slices) != 1:
        place = located.place(("slices", 1))
        raise AdvisorError(
            f"{place}: slices: this version merges all layers in one slice", why="models of other depths"
        )
    (only,) = asked.slices
    for number, source in enumerate(only.sources):
        layers = _layers(_absolute(located, source.model))
        if source.layer_range is not None and layers and tuple(source.layer_range) != (0, layers):
            place = located.place(("slices", 0, "sources", number, "layer_range"))
            raise AdvisorError(
                f"{place}: layer_range: {list(source.layer_range)} is not the whole model",
                why=f"it has {layers} layers, and this version merges them all",
                hint=f"layer_range: [0, {layers}], or depth-pruning first",
            )
    return [s.model_copy(update={"parameters": {**only.parameters, **s.parameters}}) for s in only.sources]


def _merged(located: Located, asked: _File, inputs: list[_Input]) -> tuple[list[_Input], str | None]:
    """The models that are mixed, in the executor's order, and the base of differences."""
    if asked.merge_method == "linear":
        return inputs, None
    if asked.base_model is None:
        raise AdvisorError(f"{located.place(())}: {asked.merge_method} needs base_model")
    others = [entry for entry in inputs if entry.model != asked.base_model]
    if asked.merge_method != "slerp":
        return others, asked.base_model
    first = [entry for entry in inputs if entry.model == asked.base_model] or [_Input(model=asked.base_model)]
    return [*first, *others], None


def _plan(located: Located, asked: _File, merged: list[_Input], base: str | None) -> Plan:
    method, technique = METHODS[asked.merge_method]
    folders = [_absolute(located, entry.model) for entry in merged]
    are_adapters = [_is_adapter(folder) for folder in folders]
    if any(are_adapters) and not (all(are_adapters) and asked.base_model):
        hint = "name adapters only, and base_model; or fold them into their base first"
        raise AdvisorError(f"{located.place(())}: adapters and models cannot be mixed", hint=hint)
    is_adapter = bool(are_adapters) and all(are_adapters)
    kind = ArtifactKind.ADAPTER if is_adapter else ArtifactKind.CAUSAL_LM
    role = "adapters" if is_adapter else "models"
    inputs = {f"{role}.{n}": f"models.{n}" for n in range(len(folders))}
    config = _config(located, asked, merged, is_adapter)
    step = Step(
        number=1,
        technique=technique,
        family=Family.MERGE,
        executor="merge",
        config={"method": method, **config},
        inputs={"model": "base", **inputs} if base or is_adapter else inputs,
        produces=kind,
    )
    measured = DataSpec(path="builtin:stdlib", kind=DataKind.TEXT).model_dump(mode="json", exclude_none=True)
    given = _absolute(located, base or asked.base_model or merged[0].model)
    return Plan(
        name=f"{Path(located.name).stem}-{asked.merge_method}"[:200],
        model=ArtifactRef(kind=ArtifactKind.CAUSAL_LM, path=given),
        models=tuple(ArtifactRef(kind=kind, path=folder) for folder in folders),
        steps=(step,),
        evaluation=EvaluationSpec(config={"data": measured, **_MEASURED}),
        notes=(_NO_EFFECT,) if "int8_mask" in asked.parameters else (),
    )


def _config(located: Located, asked: _File, merged: list[_Input], is_adapter: bool) -> dict[str, Any]:
    """The executor's settings. What a model says of itself goes before what the file says for all."""
    known = _PARAMETERS[asked.merge_method]
    for where in (asked.parameters, *(entry.parameters for entry in merged)):
        for key in where:
            if key not in known:
                text = f"parameter {key!r} means nothing to {asked.merge_method} here{did_you_mean(key, known)}"
                raise AdvisorError(f"{located.place(('parameters', key))}: {text}")
    _check_values(located, asked)
    each = [{**asked.parameters, **entry.parameters} for entry in merged]
    config: dict[str, Any] = {}
    if "weight" in known:
        missing = next((e.model for e, said in zip(merged, each, strict=True) if "weight" not in said), None)
        if missing is not None:
            raise AdvisorError(f"{located.place(())}: {missing} has no weight", hint="parameters: {weight: 1.0}")
        config["weights"] = [said["weight"] for said in each]
    if "density" in known:
        config["densities"] = [said.get("density", 1.0) for said in each]
    if "t" in known:
        config["at"] = next((said["t"] for said in each if "t" in said), 0.5)
    config |= {ours: asked.parameters[key] for key, ours in _SHARED.items() if key in asked.parameters and key in known}
    if "rescale" in known:
        is_scaled = asked.parameters.get("rescale", asked.merge_method.startswith("dare"))
        config["rescale"] = "norm" if is_scaled else "none"
    dtype = asked.out_dtype or asked.dtype
    return config if dtype is None or is_adapter else {**config, "dtype": dtype}


def _check_values(located: Located, asked: _File) -> None:
    """Every parameter is what it must be, wherever the file says it."""
    places: list[tuple[tuple[str | int, ...], dict[str, Any]]] = [((), asked.parameters)]
    places += [(("models", number), entry.parameters) for number, entry in enumerate(asked.models)]
    for at, slice_ in enumerate(asked.slices):
        places.append((("slices", at), slice_.parameters))
        places += [(("slices", at, "sources", n), source.parameters) for n, source in enumerate(slice_.sources)]
    for path, parameters in places:
        for key, value in parameters.items():
            is_right, wanted = _is_right(key, value)
            if is_right and path and key in _FOR_ALL:
                is_right, wanted = False, "said once, among the parameters of the file"
            if not is_right:
                place = located.place((*path, "parameters", key))
                raise AdvisorError(f"{place}: {key}: it must be {wanted}, got {str(value)[:60]!r}")


def _is_right(key: str, value: Any) -> tuple[bool, str]:
    """Whether a parameter may be so, and what it must be."""
    if key in _SWITCHES:
        return isinstance(value, bool), "true or false"
    if key == "lambda":
        return _is_number(value), "a number"
    is_right, wanted = _is_setting(value)
    if key == "density" and is_right:
        return all(0 < number <= 1 for number in _numbers(value)), "above 0 and at most 1"
    return is_right, wanted


def _numbers(value: Any) -> list[float]:
    """Every number of a setting."""
    if isinstance(value, dict):
        return _numbers(value["value"])
    return [number for each in value for number in _numbers(each)] if isinstance(value, list) else [value]


def _is_setting(value: Any) -> tuple[bool, str]:
    """A number, a curve of numbers over the layers, or values by part of a tensor's name."""
    wanted = "a number, a list of numbers, or a list of {filter, value}"
    if not isinstance(value, list):
        return _is_number(value), wanted
    by_name = all(isinstance(entry, dict) and set(entry) <= {"filter", "value"} for entry in value)
    by_name = by_name and all(isinstance(entry.get("filter"), str | None) for entry in value)
    values = [entry.get("value") for entry in value] if by_name else value
    curves = [each if by_name and isinstance(each, list) else [each] for each in values]
    return bool(value) and all(curve and all(map(_is_number, curve)) for curve in curves), wanted


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False


_FOR_ALL = ("normalize", "rescale", "lambda")
"""Parameters that hold for the whole merge."""
_SWITCHES = ("normalize", "rescale", "int8_mask")
_SHARED = {"normalize": "normalize", "lambda": "scale"}


def _absolute(located: Located, model: str) -> str:
    """A path relative to the file as an absolute one; hub ids and `builtin:` ids as they are."""
    here = Path(located.name).parent / model
    if "+" in model and not here.exists():
        hint = "fold the adapter into its base first, and name the folder"
        raise AdvisorError(f"{located.name}: model: {model!r} is a model and an adapter", hint=hint)
    return str(here.resolve()) if not model.startswith("builtin:") and here.exists() else model


def _is_adapter(folder: str) -> bool:
    return (Path(folder) / "adapter_config.json").is_file() and not (Path(folder) / "config.json").is_file()


def _layers(folder: str) -> int | None:
    """Layers of a local model; None when it is not at hand."""
    try:
        found = json.loads((Path(folder) / "config.json").read_bytes()).get("num_hidden_layers")
    except (OSError, ValueError, AttributeError):
        return None
    return found if isinstance(found, int) else None
