"""Which GGUF type each tensor gets, and how far each type may stray from its source. Plain functions, no files.

Types as ggml defines them: Q8_0 keeps 32 neighbours as 8-bit integers with one 16-bit scale, Q5_0 and Q4_0 in 5 and 4
bits; Q5_1 and Q4_1 also keep the lowest value. The K-quants (256 neighbours in eight or sixteen parts) are llama.cpp's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from advisor.domain.errors import AdvisorError
from executors.export.parity import Limits
from executors.models.gguf_names import gguf_name
from executors.tensors.folder import ModelFolder

if TYPE_CHECKING:
    import numpy as np

BLOCK = 32
"""Neighbours that share a scale; rows must divide by it."""
K_BLOCK = 256
"""Neighbours of a K-quant; llama.cpp stores tensors of other rows in a wider type."""
FILE_TYPE: dict[str, int] = {
    "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8, "Q5_1": 9,
    "Q2_K": 10, "Q3_K_M": 12, "Q4_K_M": 15, "Q5_K_M": 17, "Q6_K": 18,
}  # fmt: skip
"""ggml's number for a file made mostly of that type."""
K_QUANTS = frozenset({"Q2_K", "Q3_K_M", "Q4_K_M", "Q5_K_M", "Q6_K"})
"""Forms that only llama.cpp itself writes."""
WITHOUT_ZERO = frozenset({"Q4_1", "Q5_1", "Q2_K", "Q3_K_M", "Q4_K_M", "Q5_K_M"})
"""Forms in which zero need not stay zero: whole numbers count from the lowest value of their block, in all of their
tensors or (Q3_K_M) in some."""
BITS_PER_WEIGHT: dict[str, float] = {
    "F32": 32, "F16": 16, "Q8_0": 8.5, "Q5_1": 6.0, "Q5_0": 5.5, "Q4_1": 5.0, "Q4_0": 4.5,
    "Q6_K": 6.6, "Q5_K_M": 5.7, "Q4_K_M": 4.9, "Q3_K_M": 3.9, "Q2_K": 3.0,
}  # fmt: skip
LIMITS: dict[str, Limits] = {
    "F16": Limits(0.01, 0.98),
    "Q8_0": Limits(0.05, 0.9),
    **dict.fromkeys(("Q6_K", "Q5_K_M", "Q5_1", "Q5_0"), Limits(0.5, 0.7)),
    **dict.fromkeys(("Q4_K_M", "Q4_1", "Q4_0"), Limits(2.0, 0.35)),
    **dict.fromkeys(("Q3_K_M", "Q2_K"), Limits(5.0, 0.15)),
}
"""What a form may lose: several times what it loses on a healthy model of 135 million parameters, a hard case."""
ARCHITECTURES = frozenset({"llama", "mistral"})
"""Both are stored as GGUF architecture `llama`."""
TABLES = ("token_embd.weight", "output.weight")
_HALF_STEP = 2.0**-11
"""Largest relative rounding error of a normal 16-bit float."""
_SUBNORMAL = 2.0**-25
"""Largest absolute rounding error of a subnormal 16-bit float."""


def tensor_type(name: str, dimensions: int, form: str) -> str:
    """The type of one tensor (GGUF name) in a file of that form.

    Vectors stay 32 bits wide. In a file of 4 or 5 bits embedding and head keep 8 bits: they are few and every token
    reads them.
    """
    if dimensions < 2:
        return "F32"
    return "Q8_0" if form[:2] in ("Q4", "Q5") and name in TABLES else form


def error_bound(source: np.ndarray[Any, Any], kind: str) -> np.ndarray[Any, Any]:
    """The largest error each element may have, given its source values [..., row] in 32 bits; same shape back."""
    import numpy as np

    if kind == "F32":
        return np.zeros_like(source)
    if kind == "F16":
        return np.abs(source) * _HALF_STEP + _SUBNORMAL
    blocks = source.reshape(-1, BLOCK)
    largest = np.abs(blocks).max(axis=1, keepdims=True)
    if kind in ("Q4_1", "Q5_1"):
        # Half a step of the range, and what 16 bits lose of the step and of the lowest value.
        span = blocks.max(axis=1, keepdims=True) - blocks.min(axis=1, keepdims=True)
        steps = 15 if kind == "Q4_1" else 31
        bound = span * (0.5 / steps + 2 * _HALF_STEP) + largest * 2 * _HALF_STEP + (steps + 1) * _SUBNORMAL
    elif kind == "Q8_0":
        bound = largest * (0.5 / 127 + _HALF_STEP) + 127 * _SUBNORMAL
    else:
        # The scale is set by the largest value; one equally large of the other sign is a whole step away.
        levels = 8 if kind == "Q4_0" else 16
        bound = largest * (1 / levels + _HALF_STEP) + levels * _SUBNORMAL
    return np.broadcast_to(bound, (len(bound), BLOCK)).reshape(source.shape)


def file_bytes(model: ModelFolder, form: str) -> int:
    """Size of the file to come, metadata apart."""
    from math import prod

    total = 0.0
    for info in model.tensors.values():
        kind = tensor_type(gguf_name(info.name) or "", len(info.shape), form)
        total += prod(info.shape) * BITS_PER_WEIGHT[kind] / 8
    return int(total)


def require_exportable(model: ModelFolder, form: str) -> None:
    """Raise AdvisorError for a model that cannot be written as GGUF here, with what to do."""
    if model.arch not in ARCHITECTURES:
        raise AdvisorError(
            f"a {model.arch or 'nameless'} model cannot be written as GGUF here",
            why=f"supported are {', '.join(sorted(ARCHITECTURES))}",
            hint="use llama.cpp's own converter, or quantize with bnb-nf4",
        )
    rope = model.config.get("rope_parameters") or model.config.get("rope_scaling") or {}
    if rope.get("rope_type", rope.get("type", "default")) != "default":
        raise AdvisorError(
            f"{model.path} scales its rotary positions ({rope.get('rope_type', rope.get('type'))})",
            why="this writer does not store the scaled frequencies",
            hint="use llama.cpp's own converter",
        )
    for info in model.tensors.values():
        name = gguf_name(info.name)
        if name is None:
            raise AdvisorError(f"tensor {info.name} has no place in a GGUF file", hint="use llama.cpp's own converter")
        stored = "F16" if form in K_QUANTS else tensor_type(name, len(info.shape), form)
        if stored not in ("F32", "F16") and info.shape[-1] % BLOCK:
            raise AdvisorError(
                f"{info.name} has rows of {info.shape[-1]} values, which do not divide by {BLOCK}",
                why=f"{form} stores {BLOCK} neighbours together",
                hint="use type F16",
            )
