"""The compressed-tensors forms written here: what they store for a layer, and what config.json says of them.

Own words for the layout that the `compressed-tensors` library reads; packing bits is left to the library.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Literal

from executors.export.parity import Limits
from executors.quantize.rounded import Rounded
from executors.tensors.header import TensorInfo
from executors.tensors.writer import TensorSpec

if TYPE_CHECKING:
    import torch

    from executors.quantize import Config

Layout = Literal["pack-quantized", "int-quantized", "float-quantized"]
PACKED = ("gptq", "awq")
"""Formats of few-bit integers in groups."""
GROUPS = (128, 64, 32)
"""Group sizes that runtimes have kernels for, the preferred first."""


@dataclass(frozen=True)
class Form:
    """How linear layers are stored. `group`: inputs that share a scale; None: one scale per output row."""

    layout: Layout
    bits: int
    group: int | None = None
    symmetric: bool = True

    @property
    def limits(self) -> Limits:
        """What it may lose: some eight times what it loses on a healthy model of 135 million parameters."""
        return {8: Limits(0.3, 0.75), 4: Limits(2.0, 0.35), 3: Limits(5.0, 0.15)}[self.bits]

    @property
    def bits_per_weight(self) -> float:
        """Bits on disk of one weight, its share of scale and zero counted; of one scale per row next to nothing."""
        return self.bits + ((16 + (0 if self.symmetric else self.bits)) / self.group if self.group else 0.1)

    def config(self) -> dict[str, Any]:
        """`quantization_config` of config.json."""
        kind = "float" if self.layout == "float-quantized" else "int"
        weights: dict[str, Any] = {"num_bits": self.bits, "type": kind, "symmetric": self.symmetric, "dynamic": False}
        weights |= {"strategy": "group", "group_size": self.group} if self.group else {"strategy": "channel"}
        scheme: dict[str, Any] = {"targets": ["Linear"], "format": self.layout, "weights": weights}
        if self.layout != "pack-quantized":
            scheme["input_activations"] = {
                "num_bits": 8, "type": kind, "symmetric": True, "strategy": "token", "dynamic": True,
            }  # fmt: skip
        # Packed zeros have no place in the modules that transformers 5.23 makes for them (compressed-tensors 0.20 gives
        # them the unpacked shape), so they are unpacked as they are read; servers do not look at this key.
        unpack = {} if self.symmetric else {"dequantize": True}
        return {
            **unpack,
            "quant_method": "compressed-tensors",
            "format": self.layout,
            "quantization_status": "compressed",
            "ignore": ["lm_head"],
            "config_groups": {"group_0": scheme},
        }

    def specs(self, info: TensorInfo) -> list[TensorSpec]:
        """The tensors that stand for a layer's weight."""
        rows, width = info.shape
        base = info.name.removesuffix(".weight")
        groups = width // self.group if self.group else 1
        scale = TensorSpec(f"{base}.weight_scale", "BF16", (rows, groups))
        if self.layout != "pack-quantized":
            dtype = "I8" if self.layout == "int-quantized" else "F8_E4M3"
            return [TensorSpec(info.name, dtype, (rows, width)), scale]
        packed = TensorSpec(f"{base}.weight_packed", "I32", (rows, ceil(width * self.bits / 32)))
        zero = TensorSpec(f"{base}.weight_zero_point", "I32", (ceil(rows * self.bits / 32), groups))
        shape = TensorSpec(f"{base}.weight_shape", "I64", (2,))
        return [packed, scale, shape] if self.symmetric else [packed, scale, shape, zero]

    def tensors(self, name: str, rounded: Rounded) -> dict[str, torch.Tensor]:
        """What `specs` announced."""
        import torch

        base = name.removesuffix(".weight")
        found = {f"{base}.weight_scale": rounded.scales.bfloat16()}
        if self.layout != "pack-quantized":
            return {**found, name: rounded.values}
        from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32

        found[f"{base}.weight_packed"] = pack_to_int32(rounded.values, self.bits)
        found[f"{base}.weight_shape"] = torch.tensor(rounded.values.shape)
        if rounded.zeros is not None:
            found[f"{base}.weight_zero_point"] = pack_to_int32(rounded.zeros, self.bits, packed_dim=0)
        return found

    def rounded(self, name: str, read: Callable[[str], torch.Tensor]) -> Rounded:
        """A weight from the tensors it is stored as, which `read` gives by name."""
        base = name.removesuffix(".weight")
        scales = read(f"{base}.weight_scale")
        if self.layout != "pack-quantized":
            return Rounded(read(name), scales)
        import torch
        from compressed_tensors.compressors.pack_quantized.helpers import unpack_from_int32

        shape = torch.Size(read(f"{base}.weight_shape").tolist())
        values = unpack_from_int32(read(f"{base}.weight_packed"), self.bits, shape)
        if self.symmetric:
            return Rounded(values, scales)
        packed = read(f"{base}.weight_zero_point")
        zeros = unpack_from_int32(packed, self.bits, torch.Size((shape[0], scales.shape[1])), packed_dim=0)
        return Rounded(values, scales, zeros)


def form_of(config: Config, targets: list[TensorInfo]) -> Form:
    """The form of a quantize configuration for these layers."""
    if config.format in PACKED:
        group = config.group_size or fitting_group(targets)
        return Form("pack-quantized", config.bits or 4, group, config.is_symmetric)
    return Form("int-quantized", 8) if config.format == "int8-w8a8" else Form("float-quantized", 8)


def fitting_group(targets: list[TensorInfo]) -> int | None:
    """The preferred group size that divides the input width of every layer, or None when there is none."""
    return next((group for group in GROUPS if all(info.shape[1] % group == 0 for info in targets)), None)
