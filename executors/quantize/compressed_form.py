"""The compressed-tensors forms written here: what they store for a layer, and what config.json says of them.

Own words for the layout that the `compressed-tensors` library reads; packing bits is left to the library.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Literal

from executors.export.parity import Limits
from executors.tensors.header import TensorInfo
from executors.tensors.writer import TensorSpec

if TYPE_CHECKING:
    import torch

Layout = Literal["pack-quantized", "int-quantized", "float-quantized"]
GROUPS = (128, 64, 32)
"""Group sizes that runtimes have kernels for, the preferred first."""


@dataclass(frozen=True)
class Form:
    """How linear layers are stored. `group`: inputs that share a scale; None: one scale per output row."""

    layout: Layout
    bits: int
    group: int | None = None

    @property
    def limits(self) -> Limits:
        """What it may lose: some eight times what it loses on a healthy model of 135 million parameters."""
        return Limits(0.3, 0.75) if self.bits == 8 else Limits(2.0, 0.35)

    def config(self) -> dict[str, Any]:
        """`quantization_config` of config.json."""
        kind = "float" if self.layout == "float-quantized" else "int"
        weights: dict[str, Any] = {"num_bits": self.bits, "type": kind, "symmetric": True, "dynamic": False}
        weights |= {"strategy": "group", "group_size": self.group} if self.group else {"strategy": "channel"}
        scheme: dict[str, Any] = {"targets": ["Linear"], "format": self.layout, "weights": weights}
        if self.layout != "pack-quantized":
            scheme["input_activations"] = {
                "num_bits": 8, "type": kind, "symmetric": True, "strategy": "token", "dynamic": True,
            }  # fmt: skip
        return {
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
        scale = TensorSpec(f"{base}.weight_scale", "BF16", (rows, width // self.group if self.group else 1))
        if self.layout == "pack-quantized":
            packed = TensorSpec(f"{base}.weight_packed", "I32", (rows, ceil(width * self.bits / 32)))
            return [packed, scale, TensorSpec(f"{base}.weight_shape", "I64", (2,))]
        dtype = "I8" if self.layout == "int-quantized" else "F8_E4M3"
        return [TensorSpec(info.name, dtype, (rows, width)), scale]

    def tensors(self, name: str, values: torch.Tensor, scales: torch.Tensor) -> dict[str, torch.Tensor]:
        """What `specs` announced, of integers or 8-bit floats [out, in] and scales [out, groups]."""
        import torch

        base = name.removesuffix(".weight")
        found = {f"{base}.weight_scale": scales.bfloat16()}
        if self.layout != "pack-quantized":
            return {**found, name: values}
        from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32

        found[f"{base}.weight_packed"] = pack_to_int32(values, self.bits)
        found[f"{base}.weight_shape"] = torch.tensor(values.shape)
        return found


def form_of(format_: str, bits: int, group_size: int | None) -> Form:
    """The form of a quantize configuration. `group_size` None for formats that have no groups."""
    if format_ == "gptq":
        return Form("pack-quantized", bits, group_size)
    return Form("int-quantized", 8) if format_ == "int8-w8a8" else Form("float-quantized", 8)


def fitting_group(targets: list[TensorInfo]) -> int | None:
    """The preferred group size that divides the input width of every layer, or None when there is none."""
    return next((group for group in GROUPS if all(info.shape[1] % group == 0 for info in targets)), None)
