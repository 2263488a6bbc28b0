"""A GGUF file as a `TensorSource`: its tensors decoded to 32 bits, under their transformers names and row order."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from executors.models.gguf_file import open_gguf
from executors.models.gguf_names import gguf_name, rotated_heads, to_transformers_rows, transformers_name

if TYPE_CHECKING:
    import torch


class GgufSource:
    """The tensors of a GGUF file of architecture `llama`."""

    def __init__(self, file: Path) -> None:
        self._file = open_gguf(file)
        heads = int(self._file.get("llama.attention.head_count", int))
        self._heads = heads, int(self._file.metadata.get("llama.attention.head_count_kv", heads))

    def names(self) -> list[str]:
        return [name for stored in self._file.tensors if (name := transformers_name(stored))]

    def read(self, name: str) -> torch.Tensor:
        import torch

        stored = gguf_name(name)
        if stored is None:
            raise KeyError(name)
        values = self._file.read(stored)
        rotated = rotated_heads(stored, *self._heads)
        return torch.from_numpy((to_transformers_rows(values, rotated) if rotated else values).copy())
