"""The tensors of a compressed-tensors folder as dense weights, one at a time: what a loader makes of them.

It reads the forms written here; other forms of that format are refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from executors.quantize.compressed_form import Form
from executors.quantize.rounding import dequantize
from executors.tensors.folder import ModelFolder
from executors.tensors.source import read_tensor

if TYPE_CHECKING:
    import torch

_SCALE = ".weight_scale"


class CompressedSource:
    """Weights of a folder written in `form`, dequantized as they are read."""

    def __init__(self, folder: ModelFolder, form: Form) -> None:
        self._folder = folder
        self._form = form

    def names(self) -> list[str]:
        bases = [name.removesuffix(_SCALE) for name in self._folder.tensors if name.endswith(_SCALE)]
        own = (f"{base}.weight_packed" for base in bases), (f"{base}.weight_shape" for base in bases)
        stored = {f"{base}{_SCALE}" for base in bases}.union(*own)
        return [name for name in self._folder.tensors if name not in stored] + (
            [f"{base}.weight" for base in bases] if self._form.layout == "pack-quantized" else []
        )

    def values(self, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Integers (or 8-bit floats) [out, in] and scales [out, groups] of a quantized weight."""
        base = name.removesuffix(".weight")
        tensors = self._folder.tensors
        scales = read_tensor(tensors[f"{base}{_SCALE}"])
        if self._form.layout != "pack-quantized":
            return read_tensor(tensors[name]), scales
        import torch
        from compressed_tensors.compressors.pack_quantized.helpers import unpack_from_int32

        shape = torch.Size(read_tensor(tensors[f"{base}.weight_shape"]).tolist())
        return unpack_from_int32(read_tensor(tensors[f"{base}.weight_packed"]), self._form.bits, shape), scales

    def read(self, name: str) -> torch.Tensor:
        if f"{name.removesuffix('.weight')}{_SCALE}" not in self._folder.tensors:
            return read_tensor(self._folder.tensors[name])
        return dequantize(*self.values(name)).bfloat16()
