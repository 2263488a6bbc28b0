"""How a model folder is quantized, and how many parameters its packed tensors stand for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from advisor.probe.safetensors_header import StoredTensor

SIDE_TENSORS = (
    ".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map", ".SCB", ".weight_format", ".qzeros", ".scales",
    ".g_idx", ".weight_scale", ".weight_scale_inv", ".weight_scale_2", ".weight_zero_point", ".weight_shape",
    ".input_scale", ".weight_g_idx", ".input_global_scale", ".weight_global_scale", "_scales",
)  # fmt: skip
"""Endings of tensors that describe packed weights and are no parameters themselves."""
DTYPES = {
    "BF16": "bfloat16", "F16": "float16", "F32": "float32", "F64": "float64", "I8": "int8", "U8": "uint8",
    "I32": "int32", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
}  # fmt: skip


def quantization_of(config: dict[str, Any]) -> str | None:
    """The kind of quantization a configuration declares (`nf4`, `bnb-int8`, `gptq`, `awq`, `mxfp4`, `fp8`, ...)."""
    declared = config.get("quantization_config") or config.get("compression_config")
    if not isinstance(declared, dict):
        return None
    method = str(declared.get("quant_method") or "").lower().replace("_", "-")
    if declared.get("load_in_8bit") or declared.get("_load_in_8bit"):
        return "bnb-int8"
    if declared.get("load_in_4bit") or declared.get("_load_in_4bit"):
        return str(declared.get("bnb_4bit_quant_type") or "nf4")
    if method in ("compressed-tensors", "modelopt"):
        detail = declared.get("format") or declared.get("quant_algo")
        return f"{method} {detail}".strip() if isinstance(detail, str) else method
    return method or "unknown"


def count_parameters(tensors: Iterable[StoredTensor], config: dict[str, Any], is_tied: bool) -> int:
    """Parameters that the stored tensors stand for: packed ones unpacked, their scales left out, a tied head once."""
    declared = config.get("quantization_config") or config.get("compression_config")
    is_quantized = isinstance(declared, dict)
    packed_bits = _packed_bits(declared) if isinstance(declared, dict) else 4
    tensors = list(tensors)
    total = sum(_logical(t, packed_bits) if is_quantized else t.elements for t in tensors)
    head = [t for t in tensors if t.name.endswith("lm_head.weight")]
    tables = [t for t in tensors if t.name.endswith(("embed_tokens.weight", "wte.weight"))]
    if is_tied and head and tables and head[0].shape == tables[0].shape:
        total -= head[0].elements
    return total


def _packed_bits(declared: dict[str, Any]) -> int:
    """Bits of one packed weight: as GPTQ and AWQ declare them, or the first group of compressed-tensors; else 4."""
    bits = declared.get("bits") or declared.get("w_bit")
    groups = declared.get("config_groups")
    if bits is None and isinstance(groups, dict) and groups:
        first = next(iter(groups.values()))
        weights = first.get("weights") if isinstance(first, dict) else None
        bits = weights.get("num_bits") if isinstance(weights, dict) else None
    return bits if isinstance(bits, int) and bits in (2, 3, 4, 8) else 4


def _logical(tensor: StoredTensor, bits: int) -> int:
    """Parameters one stored tensor of a quantized model stands for."""
    if tensor.name.endswith(SIDE_TENSORS) or ".quant_state." in tensor.name:
        return 0
    if tensor.dtype == "I32":  # GPTQ, AWQ, compressed-tensors: 32-bit words
        return tensor.elements * 32 // bits
    if tensor.dtype == "U8":  # bitsandbytes 4-bit, MXFP4, NVFP4: two to a byte
        return tensor.elements * 2
    return tensor.elements


def main_dtype(tensors: Iterable[StoredTensor]) -> str | None:
    """The dtype that most bytes are stored in, by its PyTorch name; None without tensors."""
    weights: Counter[str] = Counter()
    for tensor in tensors:
        weights[tensor.dtype] += tensor.bytes
    if not weights:
        return None
    dtype = weights.most_common(1)[0][0]
    return DTYPES.get(dtype, dtype.lower())
