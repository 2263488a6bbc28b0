"""A GGUF file as a `ModelProfile`, from its header: counts, metadata and tensor table, all checked against the file.

Format: GGUF versions 2 and 3, little-endian (ggml, docs/gguf.md). No tensor data is read. Every count is bounded by the
file's size before a loop runs over it, so a forged header costs nothing.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from advisor.domain.errors import AdvisorError
from advisor.domain.profiles import ModelProfile
from advisor.probe.model_config import shape_from_config

GGUF_MAGIC = b"GGUF"
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
TYPES = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 40), 10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82), 23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8), 28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17), 40: ("NVFP4", 64, 36), 41: ("Q1_0", 128, 18),
}  # fmt: skip
"""ggml type -> name, elements per block, bytes per block (ggml.h)."""
FLOATS = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float64"}
LONGEST_STRING = 16 * 2**20
DEEPEST_ARRAY = 4
MOST_ITEMS = 4_000_000
"""Of tensors, metadata entries, or strings in an array: sixteen times the largest vocabulary published."""


class _Broken(Exception):
    """The header does not hold together."""


class _Cursor:
    """Reads little-endian values and never past the end."""

    def __init__(self, view: mmap.mmap) -> None:
        self.view, self.at = view, 0

    def take(self, code: str) -> Any:
        size = struct.calcsize("<" + code)
        if self.at + size > len(self.view):
            raise _Broken("it ends inside its header")
        (value,) = struct.unpack_from("<" + code, self.view, self.at)
        self.at += size
        return value

    def count(self, smallest: int) -> int:
        """A number of items of at least `smallest` bytes each, which must fit into the rest of the file."""
        number = self.take("Q")
        if number * smallest > len(self.view) - self.at:
            raise _Broken(f"it announces {number} items, more than it has room for")
        return int(number)

    def few(self, smallest: int) -> int:
        """A count of items that are looked at one by one."""
        number = self.count(smallest)
        if number > MOST_ITEMS:
            raise _Broken(f"it announces {number} items")
        return number

    def string(self) -> str:
        length = self.count(1)
        if length > LONGEST_STRING:
            raise _Broken("a string is longer than 16 MiB")
        raw = self.view[self.at : self.at + length]
        self.at += length
        return raw.decode("utf-8", errors="replace")

    def value(self, kind: int, depth: int = 0) -> Any:
        """One metadata value; of an array only its length, since only lengths are of interest."""
        if kind in SCALARS:
            return self.take(SCALARS[kind])
        if kind == STRING:
            return self.string()
        if kind != ARRAY or depth > DEEPEST_ARRAY:
            raise _Broken(f"metadata of unknown type {kind}")
        inner = self.take("I")
        if inner in SCALARS:
            size = struct.calcsize("<" + SCALARS[inner])
            length = self.count(size)
            self.at += length * size
            return _Array(length)
        length = self.few(8)
        for _ in range(length):
            self.value(inner, depth + 1)
        return _Array(length)


class _Array(NamedTuple):
    length: int


def read_gguf(model_id: str, path: Path) -> ModelProfile:
    """The profile of a GGUF file. Raises `AdvisorError` when it is cut off, forged, or holds no language model."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            meta, tensors = _header(_Cursor(view))
    except (_Broken, ValueError, OSError) as error:
        raise AdvisorError(f"{path} is not a whole GGUF file", why=str(error), hint="fetch the file again") from error
    params = sum(count for _, _, count in tensors)
    by_type: Counter[str] = Counter()
    for _, kind, count in tensors:
        by_type[kind] += count
    main = by_type.most_common(1)[0][0] if by_type else "F32"
    shape = shape_from_config(_as_config(meta, {name for name, _, _ in tensors}))
    return ModelProfile(
        id=model_id,
        path=str(path.absolute()),
        shape=shape.model_copy(update={"params": params, "name": path.stem, "dtype": FLOATS.get(main, "bfloat16")}),
        params_b=params / 1e9,
        kind="instruct" if "tokenizer.chat_template" in meta else "base",
        quantized=None if main in FLOATS else "gguf",
        dtype=FLOATS.get(main, main),
        disk_bytes=path.stat().st_size,
        context_length=shape.max_positions or None,
        origin="local",
    )


def _header(cursor: _Cursor) -> tuple[dict[str, Any], list[tuple[str, str, int]]]:
    """Metadata, and per tensor its name, ggml type and element count."""
    if cursor.take("4s") != GGUF_MAGIC:
        raise _Broken("its magic number is missing")
    version = cursor.take("I")
    if version not in (2, 3):
        raise _Broken(f"its version is {version}; 2 and 3 are read here")
    tensor_count, meta_count = cursor.few(24), cursor.few(13)
    meta: dict[str, Any] = {}
    for _ in range(meta_count):
        key = cursor.string()
        meta[key] = cursor.value(cursor.take("I"))
    tensors, ends = [], 0
    for _ in range(tensor_count):
        name = cursor.string()
        dims = cursor.take("I")
        if dims > 8:
            raise _Broken(f"tensor '{name:.60}' has {dims} dimensions")
        elements = math.prod(cursor.take("Q") for _ in range(dims))
        kind, offset = cursor.take("I"), cursor.take("Q")
        type_name, block, size = TYPES.get(kind, ("", 0, 0))
        if not block:
            raise _Broken(f"tensor '{name:.60}' has unknown type {kind}")
        ends = max(ends, offset + elements // block * size)
        tensors.append((name, type_name, elements))
    alignment = meta.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 0 < alignment <= 2**20:
        raise _Broken("its alignment is impossible")
    data = -(-cursor.at // alignment) * alignment
    if tensors and data + ends > len(cursor.view):
        raise _Broken(f"its tensors call for {data + ends} bytes, it has {len(cursor.view)}")
    return meta, tensors


def _as_config(meta: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """The metadata under the keys of a `config.json`."""
    arch = str(meta.get("general.architecture", ""))
    tokens = meta.get("tokenizer.ggml.tokens")

    def of(key: str) -> Any:
        value = meta.get(f"{arch}.{key}")
        return None if isinstance(value, _Array) else value

    config = {
        "model_type": _MODEL_TYPES.get(arch, arch),
        "num_hidden_layers": of("block_count"),
        "hidden_size": of("embedding_length"),
        "intermediate_size": of("feed_forward_length"),
        "num_attention_heads": of("attention.head_count"),
        "num_key_value_heads": of("attention.head_count_kv"),
        "head_dim": of("attention.key_length"),
        "max_position_embeddings": of("context_length"),
        "num_local_experts": of("expert_count") or None,
        "num_experts_per_tok": of("expert_used_count") or None,
        "moe_intermediate_size": of("expert_feed_forward_length"),
        "vocab_size": tokens.length if isinstance(tokens, _Array) else of("vocab_size"),
        "tie_word_embeddings": "output.weight" not in names,
    }
    return {key: value for key, value in config.items() if value is not None}


_MODEL_TYPES = {
    "command-r": "cohere", "gptneox": "gpt_neox", "gpt-oss": "gpt_oss", "phi2": "phi", "qwen2moe": "qwen2_moe",
    "qwen3moe": "qwen3_moe", "starcoder": "gpt_bigcode", "deepseek2": "deepseek_v2",
}  # fmt: skip
"""GGUF architecture -> `model_type`, where they differ."""
