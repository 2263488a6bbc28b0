"""Writing a model tensor by tensor so that a killed step goes on after the tensors that were finished.

The files grow in the step's scratch folder, beside a list of what is finished and its hash, and move to their place
when all of it is there: nothing is written twice. A tensor counts only when its bytes still have that hash and
everything was made from the same files with the same settings; else it, or all of it, is made again. Loads no torch.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from advisor.domain.errors import AdvisorError
from executors.protocol import Say
from executors.tensors.folder import ModelFolder
from executors.tensors.header import TensorInfo, read_header
from executors.tensors.writer import TensorSpec, TensorWriter, disk_error

if TYPE_CHECKING:
    import torch

IDENTITY, FINISHED = "identity", "finished"
_CHUNK = 2**24


class ContinuedWriter:
    """A `TensorWriter` that goes on where an earlier one was killed. Use as a context manager.

    `scratch`: the step's scratch folder; without one nothing is kept and files are written to `out` at once.
    `identity`: see `identity_of`. `done`: names that need not be made again.
    """

    def __init__(self, scratch: str, out: Path, specs: Iterable[TensorSpec], identity: str, say: Say) -> None:
        self._out = out
        self._folder = Path(scratch) / "unfinished" if scratch else None
        self._lock = threading.Lock()
        self._hashes: dict[str, hashlib._Hash] = {}
        specs = list(specs)
        self.done: frozenset[str] = frozenset()
        if self._folder is not None:
            self.done = _finished(self._folder, identity, specs)
            if self.done:
                say.log(f"going on after {len(self.done)} finished tensors")
            else:
                _begin(self._folder, identity)
        self._writer = TensorWriter(self._folder or out, specs, done=self.done)

    def write(self, name: str, tensor: torch.Tensor) -> None:
        """Put one tensor in its place."""
        import torch

        flat = tensor.detach().contiguous().cpu().flatten().view(torch.uint8)
        self._writer.write(name, tensor)
        self._note(name, hashlib.sha256(memoryview(flat.numpy())))

    def write_part(self, name: str, start: int, data: memoryview, is_last: bool) -> None:
        """Put the next bytes of a tensor in their place; `is_last`: with them it is finished."""
        self._writer.write_part(name, start, data)
        if self._folder is None:
            return
        self._hashes.setdefault(name, hashlib.sha256()).update(data)
        if is_last:
            self._note(name, self._hashes.pop(name))

    def _note(self, name: str, digest: hashlib._Hash) -> None:
        if self._folder is None:
            return
        line = json.dumps([digest.hexdigest(), name]) + "\n"
        with self._lock, (self._folder / FINISHED).open("a", encoding="utf-8") as file:
            file.write(line)

    def __enter__(self) -> ContinuedWriter:
        self._writer.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.__exit__(kind, error, trace)
        if kind is None and self._folder is not None:
            self._out.mkdir(parents=True, exist_ok=True)
            for file in sorted(self._folder.glob("*.safetensors*")):
                shutil.move(file, self._out / file.name)
            shutil.rmtree(self._folder)


def identity_of(settings: Mapping[str, object], models: Iterable[ModelFolder]) -> str:
    """Hash of what decides the result: the settings, and each file of the models by name, size and time."""
    files = [sorted({info.file for info in model.tensors.values()} | {model.path / "config.json"}) for model in models]
    stats = [[(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in of_model] for of_model in files]
    text = json.dumps({"settings": settings, "files": stats}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _begin(folder: Path, identity: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(parents=True)
        (folder / IDENTITY).write_text(identity, encoding="utf-8")
    except OSError as error:
        raise disk_error(folder / IDENTITY, error) from error


def _finished(folder: Path, identity: str, specs: list[TensorSpec]) -> frozenset[str]:
    """Names of the tensors whose bytes stand in the files as they were finished."""
    try:
        if (folder / IDENTITY).read_text(encoding="utf-8") != identity:
            return frozenset()
        lines = (folder / FINISHED).read_text(encoding="utf-8").splitlines()
        places = {name: info for file in folder.glob("*.safetensors") for name, info in read_header(file).items()}
    except (OSError, UnicodeDecodeError, AdvisorError):
        return frozenset()
    if {name: (info.dtype, info.shape) for name, info in places.items()} != {
        spec.name: (spec.dtype, spec.shape) for spec in specs
    }:
        return frozenset()
    noted = {pair[1]: pair[0] for line in lines if (pair := _pair(line)) is not None}
    return frozenset(name for name, digest in noted.items() if name in places and _hash_of(places[name]) == digest)


def _pair(line: str) -> list[str] | None:
    """A line of the list; None for one cut short by the kill."""
    try:
        found = json.loads(line)
    except json.JSONDecodeError:
        return None
    is_pair = isinstance(found, list) and len(found) == 2 and all(isinstance(part, str) for part in found)
    return found if is_pair else None


def _hash_of(info: TensorInfo) -> str:
    digest = hashlib.sha256()
    with info.file.open("rb") as stream:
        stream.seek(info.start)
        left = info.bytes
        while left and (data := stream.read(min(left, _CHUNK))):
            digest.update(data)
            left -= len(data)
    return digest.hexdigest()
