"""What a hub id alone tells: the catalogue's entry of that name, or the size, kind and quantization in the name."""

from __future__ import annotations

import re

from advisor.domain.knowledge import Catalog, CatalogModel
from advisor.domain.profiles import ModelProfile

EXPERTS = re.compile(r"(?<![a-z0-9.])(\d+)x(\d+(?:\.\d+)?)b(?![a-z0-9])")
SIZE = re.compile(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)([bm])(?![a-z0-9])")
QUANTIZED = {
    "bnb-4bit": "nf4", "nf4": "nf4", "4bit": "nf4", "bnb-8bit": "bnb-int8", "8bit": "bnb-int8", "gptq": "gptq",
    "awq": "awq", "gguf": "gguf", "fp8": "fp8", "mxfp4": "mxfp4", "nvfp4": "nvfp4", "w4a16": "gptq",
    "w8a8": "int8-w8a8",
}  # fmt: skip
"""Words in names of quantized repositories, most specific first -> kind."""
QUANTIZED_END = re.compile(r"[-_.](" + "|".join(QUANTIZED) + r")(?![a-z])[-_.a-z0-9]*$")
INSTRUCT = re.compile(r"(?<![a-z])(instruct|chat|it|sft|dpo|rlhf|assistant|thinking)(?![a-z])")
LARGEST_B = 100_000.0
"""Billions of parameters; a larger number in a name is no size."""


def from_name(model_id: str, catalog: Catalog) -> ModelProfile:
    """The profile that a hub id gives. `origin`: catalog (this very id), name (derived from the name), unknown."""
    name = model_id.lower()
    entry = _exact(name, catalog)
    if entry is not None:
        return _from_entry(model_id, entry, "catalog", None)
    found = QUANTIZED_END.search(name)
    quantized = QUANTIZED[found.group(1)] if found else None
    bare = name[: found.start()] if found else name
    entry = _exact(bare, catalog) or _same_name(bare, catalog)
    if entry is not None:
        return _from_entry(model_id, entry, "name", quantized)
    params = size_in_name(bare)
    return ModelProfile(
        id=model_id,
        params_b=params,
        kind=_kind(bare, None),
        quantized=quantized,
        origin="unknown" if params is None else "name",
    )


def size_in_name(name: str) -> float | None:
    """Billions of parameters by a part of the name such as `8B`, `135M` or `8x7B` (experts times size: an upper
    bound, since experts share the rest); None when there is none."""
    name = name.lower().rpartition("/")[2]
    experts = EXPERTS.search(name)
    if experts:
        params = int(experts.group(1)) * float(experts.group(2))
    else:
        found = SIZE.search(name)
        if found is None:
            return None
        params = float(found.group(1)) / (1 if found.group(2) == "b" else 1000)
    return params if 0 < params <= LARGEST_B else None


def _exact(name: str, catalog: Catalog) -> CatalogModel | None:
    return next((m for m in catalog.models if any(name == i.lower() for i in m.ids)), None)


def _same_name(name: str, catalog: Catalog) -> CatalogModel | None:
    """A copy under another owner has the architecture of the original."""
    last = name.rpartition("/")[2]
    return next((m for m in catalog.models if any(last == i.lower().rpartition("/")[2] for i in m.ids)), None)


def _from_entry(model_id: str, entry: CatalogModel, origin: str, quantized: str | None) -> ModelProfile:
    return ModelProfile(
        id=model_id,
        shape=entry.shape,
        params_b=entry.params_b,
        kind=_kind(model_id.lower(), entry.kind),
        quantized=quantized or ("mxfp4" if entry.shape.arch == "gpt_oss" else None),
        dtype=entry.shape.dtype,
        context_length=entry.shape.max_positions or None,
        origin=origin,
    )


def _kind(name: str, fallback: str | None) -> str | None:
    last = name.rpartition("/")[2]
    if INSTRUCT.search(last):
        return "instruct"
    return "base" if re.search(r"(?<![a-z])base(?![a-z])", last) else fallback
