"""The covariance of what a down projection reads, over ordinary text: what an edit must leave alone.

Kept in the user's cache under the hash of model, layer and text: the same statistics serve every later edit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from executors.edit.model import Editable, fast, inputs_seen, only_first

if TYPE_CHECKING:
    import torch

ROWS_AT_ONCE = 4


def covariances(
    editable: Editable, layers: list[int], ids: torch.Tensor, name: str, after: Callable[[int], None], root: Path | None
) -> dict[int, torch.Tensor]:
    """Layer -> mean of k k^T [in, in] over all tokens of `ids` [sequences, length], float32.

    `name`: what stands for the model's weights; `root`: the folder they are kept in, None to keep nothing.
    """
    import torch

    text = hashlib.sha256(ids.numpy().tobytes()).hexdigest()
    files = {layer: _file(root, name, layer, text) for layer in layers}
    found = {layer: known for layer in layers if (known := _kept(files[layer])) is not None}
    missing = [layer for layer in layers if layer not in found]
    if missing:
        sums = {layer: torch.zeros(width := editable.down(layer).in_features, width) for layer in missing}
        for start in range(0, len(ids), ROWS_AT_ONCE):
            _add(editable, missing, ids[start : start + ROWS_AT_ONCE], sums)
            after(min(len(ids), start + ROWS_AT_ONCE))
        for layer in missing:
            found[layer] = sums[layer] / ids.numel()
            _keep(files[layer], found[layer])
    return found


def _add(editable: Editable, layers: list[int], ids: torch.Tensor, sums: dict[int, torch.Tensor]) -> None:
    from contextlib import ExitStack

    import torch

    def adder(layer: int) -> Callable[[torch.Tensor], None]:
        def add(keys: torch.Tensor) -> None:
            flat = keys.reshape(-1, keys.shape[-1])
            sums[layer] += flat.T.matmul(flat).float()

        return add

    with ExitStack() as stack, torch.inference_mode():
        for layer in layers:
            stack.enter_context(inputs_seen(editable.down(layer), adder(layer)))
        stack.enter_context(only_first(editable, max(layers) + 1))
        stack.enter_context(fast())
        editable.model.model(input_ids=ids, use_cache=False)


def cache_root() -> Path:
    """Where statistics are kept."""
    from platformdirs import user_cache_path

    return user_cache_path("technique-advisor", appauthor=False) / "statistics"


def _file(root: Path | None, name: str, layer: int, text: str) -> Path | None:
    if root is None:
        return None
    key = hashlib.sha256(json.dumps([name, layer, text, 1]).encode()).hexdigest()[:40]
    return root / f"{key}.safetensors"


def _kept(file: Path | None) -> torch.Tensor | None:
    """What is in the cache; nothing when it is not there or does not hold what it should: then it is made again."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if file is None or not file.is_file():
            return None
        found = load_file(file)
        matrix, digest = found["covariance"], bytes(found["sha256"].tolist())
    except (OSError, SafetensorError, KeyError):
        return None
    return matrix if hashlib.sha256(matrix.numpy().tobytes()).digest() == digest else None


def _keep(file: Path | None, matrix: torch.Tensor) -> None:
    import contextlib

    import torch
    from safetensors.torch import save

    from executors.artifact import write_durably

    if file is None:
        return
    digest = torch.tensor(list(hashlib.sha256(matrix.numpy().tobytes()).digest()), dtype=torch.uint8)
    # A cache that cannot be written only costs the next edit time.
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_durably(file, save({"covariance": matrix.contiguous(), "sha256": digest}))
