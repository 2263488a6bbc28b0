"""Reading tensors one at a time from wherever they lie.

Plain reads into fresh memory instead of a mapping: mapped pages would count as resident memory and grow with the
file. It caches nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from advisor.domain.errors import AdvisorError
from executors.tensors.folder import ModelFolder
from executors.tensors.header import TensorInfo

if TYPE_CHECKING:
    import torch


class TensorSource(Protocol):
    """Anything that gives a model's tensors by their names in the safetensors folder."""

    def names(self) -> list[str]: ...

    def read(self, name: str) -> torch.Tensor: ...


def torch_dtype(dtype: str) -> torch.dtype:
    """The torch type of a safetensors dtype."""
    import torch

    table = {
        "F64": torch.float64,
        "F32": torch.float32,
        "F16": torch.float16,
        "BF16": torch.bfloat16,
        "F8_E4M3": torch.float8_e4m3fn,
        "F8_E5M2": torch.float8_e5m2,
        "I64": torch.int64,
        "I32": torch.int32,
        "I16": torch.int16,
        "I8": torch.int8,
        "U8": torch.uint8,
        "BOOL": torch.bool,
    }
    return table[dtype]


def read_tensor(info: TensorInfo) -> torch.Tensor:
    """One tensor in its own dtype and shape, on the CPU. Raises AdvisorError when the file is shorter than it says."""
    import torch

    if info.bytes == 0:
        return torch.empty(info.shape, dtype=torch_dtype(info.dtype))
    data = torch.empty(info.bytes, dtype=torch.uint8)
    view = memoryview(data.numpy())
    with info.file.open("rb", buffering=0) as stream:
        stream.seek(info.start)
        position = 0
        while position < info.bytes:
            count = stream.readinto(view[position:])
            if not count:
                raise AdvisorError(f"{info.file} ends inside tensor {info.name}", hint="fetch or copy the model again")
            position += count
    return data.view(torch_dtype(info.dtype)).reshape(info.shape)


class FolderSource:
    """The tensors of a safetensors folder."""

    def __init__(self, folder: ModelFolder) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        return list(self.folder.tensors)

    def read(self, name: str) -> torch.Tensor:
        return read_tensor(self.folder.tensors[name])


def require_finite(name: str, tensor: torch.Tensor) -> None:
    """Raise AdvisorError when a weight holds NaN or infinity: no step can make a good model of it."""
    import torch

    # Smallest and largest carry NaN and infinity on, and are found in one pass without a copy.
    if tensor.numel() and not all(torch.isfinite(end) for end in torch.aminmax(tensor)):
        raise AdvisorError(
            f"tensor {name} holds NaN or infinite values",
            why="the model is damaged, or training diverged before it was saved",
            hint="start from an earlier checkpoint",
        )
