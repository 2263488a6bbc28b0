"""Finished blocks of a step that works through a model block by block, kept so that a killed run goes on after them.

One file per block below the step's scratch folder. A file counts only when its own digest fits what it holds and it was
made from the same model with the same settings; anything else is done again. The supervisor removes the folder when
the step is done. Use:

    kept = KeptBlocks(inputs.scratch, model, {**settings, "calibration": batch.fingerprint}, say)
    for index in blocks:
        tensors = kept.read(index)
        if tensors is None:
            tensors = ...                 # do the block; with a calibration batch: batch.through(index, visit)
            kept.keep(index, tensors)
        else:
            batch.past(index, tensors)    # only so that later blocks see what this one produces

A block that was passed leaves the batch bit for bit as the block that was done: weights by their full name, as stored.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from advisor.domain.errors import Severity
from executors.artifact import sweep
from executors.protocol import Say
from executors.tensors.folder import ModelFolder
from executors.tensors.writer import disk_error

if TYPE_CHECKING:
    import torch

STATE_SECONDS = 30.0
"""Time between two kept states of a pass."""
_FILE = re.compile(r"block-(\d{5})\.safetensors")
DECIDING_LIBRARIES = ("torch", "transformers", "numpy")


class KeptBlocks:
    """Finished blocks in `<scratch>/blocks`, read in their order. Without a scratch folder nothing is kept.

    `settings`: everything beside the model that decides the result.
    """

    def __init__(self, scratch: str, model: ModelFolder, settings: Mapping[str, object], say: Say) -> None:
        self._folder = Path(scratch) / "blocks" if scratch else None
        self._identity = _identity(model, settings)
        self._say = say
        self._is_ended = False
        self.found = 0
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            sweep(self._folder)

    def read(self, index: int) -> dict[str, torch.Tensor] | None:
        """The tensors of that block as they were kept; None once a block is missing, damaged or of another making."""
        if self._folder is None or self._is_ended:
            return None
        file = self._file(index)
        found = _load(file, self._identity) if file.is_file() else None
        if isinstance(found, dict):
            self.found += 1
            return found
        self._is_ended = True
        if found is not None:
            text = f"block {index} was kept before and is done again"
            self._say.diagnostic(Severity.WARNING, "kept-block-skipped", text, because=f"{file.name} {found}")
        if self.found:
            self._say.log(f"going on after {self.found} finished blocks")
        return None

    def keep(self, index: int, tensors: Mapping[str, torch.Tensor]) -> None:
        """Put a finished block aside, whole or not at all. Raises AdvisorError when the disk is full."""
        if self._folder is None:
            return
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        file = self._file(index)
        beside = file.with_name(f"{file.name}.tmp-new")
        try:
            # Not synced: a kill loses nothing that was written, and after a power cut the digest tells.
            save_file(whole, beside, metadata={"identity": self._identity, "digest": _digest(whole)})
            beside.replace(file)
        except (OSError, SafetensorError) as error:
            raise disk_error(beside, OSError(str(error))) from error

    @property
    def identity(self) -> str:
        """Hash of what decides the result."""
        return self._identity

    def files(self) -> dict[int, Path]:
        """The kept files by block, whether they count or not."""
        if self._folder is None:
            return {}
        found = (_FILE.fullmatch(file.name) for file in self._folder.iterdir())
        return {int(match[1]): self._file(int(match[1])) for match in found if match}

    def _file(self, index: int) -> Path:
        assert self._folder is not None
        return self._folder / f"block-{index:05d}.safetensors"


class KeptState:
    """Where a pass through all blocks stands, for passes that have no finished blocks to keep: the newest state only.

    Kept at most every STATE_SECONDS, since a state may hold the whole batch. Use: `found = state.read()` before the
    pass, and `state.keep(index, tensors)` after each block.
    """

    def __init__(self, scratch: str, model: ModelFolder, settings: Mapping[str, object], say: Say) -> None:
        self._blocks = KeptBlocks(scratch, model, settings, say)
        self._say = say
        self._kept_at = time.monotonic()

    def read(self) -> tuple[int, dict[str, torch.Tensor]] | None:
        """The number of the last block that was passed, and the state after it; None when there is none that counts."""
        for index, file in sorted(self._blocks.files().items(), reverse=True):
            found = _load(file, self._blocks.identity)
            if isinstance(found, dict):
                self._say.log(f"going on after block {index}")
                return index, found
        return None

    def keep(self, index: int, tensors: Mapping[str, torch.Tensor], is_stopped: bool = False) -> None:
        """Put the state after a block aside, if the last one is old enough or the pass is being stopped.

        Raises AdvisorError when the disk is full.
        """
        if not is_stopped and time.monotonic() - self._kept_at < STATE_SECONDS:
            return
        self._blocks.keep(index, tensors)
        for other, file in self._blocks.files().items():
            if other != index:
                file.unlink()
        self._kept_at = time.monotonic()


def _load(file: Path, identity: str) -> dict[str, torch.Tensor] | str:
    """The tensors of a kept block, or why they do not count."""
    from advisor.domain.errors import AdvisorError
    from executors.tensors.header import read_header, read_metadata
    from executors.tensors.source import read_tensor

    try:
        told = read_metadata(file)
        if told.get("identity") != identity:
            return "was made from another model or with other settings"
        tensors = {name: read_tensor(info) for name, info in read_header(file).items()}
    except AdvisorError as error:
        return error.why or error.what
    return tensors if _digest(tensors) == told.get("digest") else "has other contents than when it was written"


def _identity(model: ModelFolder, settings: Mapping[str, object]) -> str:
    """Hash of what decides the result. Of the model's files size and time; the supervisor compares contents."""
    from importlib.metadata import version

    import torch

    files = {info.file for info in model.tensors.values()} | {model.path / "config.json"}
    what = {
        "settings": settings,
        "files": sorted((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files),
        "threads": torch.get_num_threads(),
        "versions": {name: version(name) for name in DECIDING_LIBRARIES},
    }
    return hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()


def _digest(tensors: Mapping[str, torch.Tensor]) -> str:
    import torch

    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(memoryview(tensor.reshape(-1).view(torch.uint8).numpy()))
    return digest.hexdigest()
