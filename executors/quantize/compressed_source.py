"""The tensors of a compressed-tensors folder as dense weights, one at a time: what a loader makes of them.

It reads the forms written here; other forms of that format are refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from executors.quantize.compressed_form import Form
from executors.quantize.rounded import Rounded
from executors.tensors.folder import ModelFolder
from executors.tensors.source import read_tensor

if TYPE_CHECKING:
    import torch

_SCALE = ".weight_scale"
_PARTS = (_SCALE, ".weight_packed", ".weight_shape", ".weight_zero_point")


class CompressedSource:
    """Weights of a folder written in `form`, dequantized as they are read."""

    def __init__(self, folder: ModelFolder, form: Form) -> None:
        self._folder = folder
        self._form = form

    def names(self) -> list[str]:
        bases = [name.removesuffix(_SCALE) for name in self._folder.tensors if name.endswith(_SCALE)]
        stored = {f"{base}{part}" for base in bases for part in _PARTS}
        return [name for name in self._folder.tensors if name not in stored] + (
            [f"{base}.weight" for base in bases] if self._form.layout == "pack-quantized" else []
        )

    def values(self, name: str) -> Rounded:
        """A quantized weight."""
        return self._form.rounded(name, lambda part: read_tensor(self._folder.tensors[part]))

    def read(self, name: str) -> torch.Tensor:
        if f"{name.removesuffix('.weight')}{_SCALE}" not in self._folder.tensors:
            return read_tensor(self._folder.tensors[name])
        return self.values(name).dense().bfloat16()
