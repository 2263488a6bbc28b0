"""Element sizes of weights, compute, gradients and optimizer states under each precision; bits of quantized storage.

Sources: torch autocast; PEFT `autocast_adapter_dtype`; 16-bit optimizers of DeepSpeed and of the
executors, which keep fp32 masters.
"""

from __future__ import annotations

from typing import NamedTuple

from advisor.domain.errors import AdvisorError
from advisor.domain.estimate import EstimateQuant, EstimateRequest
from advisor.engine.estimate import constants as c
from advisor.engine.estimate.methods import Method


class Sizes(NamedTuple):
    """Bytes per element."""

    weight: int
    compute: int
    gradient: int
    state: int
    """One optimizer state of the parameters that are trained."""
    residual: int
    """Activations between the blocks; fp32 under autocast."""
    adapter: int
    master: int
    """fp32 copy of the trained parameters that the optimizer keeps beside 16-bit ones; 0: none."""
    is_mixed: bool


def sizes_of(request: EstimateRequest, method: Method) -> Sizes:
    """Element sizes of this request. Under DeepSpeed, and in the executors, 16-bit parameters that are trained always
    have fp32 masters and states."""
    has_masters = request.by_executors or request.sharding.startswith("zero")
    if request.precision == "fp32":
        # Divided masters are copies even of fp32 weights.
        is_copied = request.by_executors and request.sharding == "zero1"
        return Sizes(4, 4, 4, 4, 4, 4, 4 if is_copied else 0, False)
    if request.precision.endswith("-mixed"):
        if has_masters and method.trains == "all":
            return Sizes(2, 2, 2, 4, 2, 4, 4, False)
        weight = 2 if is_quantized(request.quant, method) else 4
        return Sizes(weight, 2, 4, 4, 4, 4, 0, True)
    if has_masters and method.trains == "all":
        return Sizes(2, 2, 2, 4, 2, 4, 4, False)
    return Sizes(2, 2, 2, 2, 2, 4, 0, False)


_PLAIN, _EIGHT, _FOUR = (EstimateQuant(bits=bits, type="none") for bits in (16, 8, 4))
_FLOATS = frozenset(("none", "bf16", "fp16", "fp32", "float16", "bfloat16"))


def held_in(quantized: str | None) -> EstimateQuant:
    """How a base that comes in the format `quantized` is held while an adapter is trained; None is 16 bits."""
    return _PLAIN if quantized is None else _EIGHT if "8" in quantized else _FOUR


def is_quantized(quant: EstimateQuant, method: Method) -> bool:
    """True when the base model is held in fewer than 16 bits."""
    return quant.bits < 16 or quant.type.lower() not in _FLOATS or method.quantized_base


def storage_bits(quant: EstimateQuant, method: Method) -> tuple[float, str]:
    """Bits per weight of the quantized linear layers with their scales, and what it was taken as.

    Raises `AdvisorError` for a type that is not known.
    """
    kind = quant.type.lower().replace("bnb.", "").replace("bnb-", "").replace("-dq", "")
    double = quant.double or quant.type.lower().endswith("-dq")
    bits = quant.bits if quant.bits < 16 else 4.0
    if kind in _FLOATS:
        kind = "int8" if bits == 8 else ("nf4" if bits == 4 else "group")
    if kind in ("nf4", "fp4"):
        return 4 + (c.NF4_DOUBLE_BITS if double else c.NF4_ABSMAX_BITS) / c.NF4_BLOCK, kind
    if kind in ("int8", "llm.int8"):
        return 8.0, "int8"
    if kind in ("gptq", "awq", "group", "compressed-tensors", "autoround", "int4", "int3", "int2"):
        return bits + (c.GROUP_SCALE_BITS + bits) / c.GROUP, kind
    if kind in ("hqq", "quanto", "eetq", "torchao"):
        return bits + 2 * c.GROUP_SCALE_BITS / c.HQQ_GROUP, kind
    if kind in ("fp8", "float8", "mxfp8"):
        return 8 + (8 / c.MX_BLOCK if kind == "mxfp8" else 0.0), kind
    if kind in ("mxfp4", "nvfp4"):
        return 4 + (8 / c.MX_BLOCK if kind == "mxfp4" else 8 / c.NVFP4_BLOCK), kind
    if kind.removeprefix("gguf-") in c.GGUF_BITS:
        return c.GGUF_BITS[kind.removeprefix("gguf-")], kind
    if kind == "gguf":
        return {8.0: 8.5, 6.0: 6.56, 5.0: 5.69, 4.0: 4.85, 3.0: 3.91, 2.0: 3.16}.get(bits, bits * 1.1), kind
    known = "nf4, fp4, int8, gptq, awq, hqq, fp8, mxfp4, mxfp8, nvfp4, gguf, q4_k_m, q8_0"
    raise AdvisorError(f"unknown quantization type {quant.type!r}", hint=f"one of: {known}")


def covers_everything(kind: str) -> bool:
    """GGUF quantizes embeddings and head too; the others leave them in 16 bits."""
    return kind.startswith("gguf") or kind in c.GGUF_BITS
