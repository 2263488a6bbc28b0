"""Folders that are there whole or not at all: artifacts and checkpoints, each with a manifest of sizes and hashes.

A folder counts only when `manifest.json` verifies. Safetensors has no checksum of its own, so without the
manifest one flipped bit would load silently. Loads no heavy library; knows nothing of what the files mean.

Usage: write the files into `temporary(target)`, then `write_manifest`, then `publish`.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from advisor.domain.base import Lenient

MANIFEST = "manifest.json"
_MAX_MANIFEST = 16 * 2**20
HASHED_AT_ONCE = 8 * 2**20
"""Bytes. In large pieces, since after each the thread may wait for others that hold the interpreter."""


class FileRecord(Lenient):
    bytes: int
    sha256: str


class Parent(Lenient):
    """What an artifact was made from."""

    path: str
    """Relative to the run folder when it lies inside, else as the plan gave it."""
    sha256: str = ""


class Manifest(Lenient):
    """`manifest.json`. `files` never names the manifest itself."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    kind: str = ""
    technique: str = ""
    executor: str = ""
    identity: str = ""
    """Hash of everything that decides the contents: executor, config, parents, seed."""
    config: dict[str, Any] = Field(default_factory=dict)
    parents: dict[str, Parent] = Field(default_factory=dict)
    seed: int | None = None
    threads: int | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    files: dict[str, FileRecord] = Field(default_factory=dict)
    sha256: str = ""
    """Of the names and hashes of all files: the same contents give the same value, wherever they lie."""

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files.values())


@dataclass(frozen=True)
class Verification:
    """What `verify` found. `file` and `reason` name the first thing that is wrong."""

    manifest: Manifest | None = None
    file: str = ""
    reason: str = ""

    @property
    def is_whole(self) -> bool:
        return self.manifest is not None and not self.reason


def temporary(target: Path) -> Path:
    """A new empty folder beside `target`; leftovers of interrupted attempts are removed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(target)
    folder = target.parent / f"{target.name}.tmp-{os.getpid()}-{secrets.token_hex(4)}"
    folder.mkdir()
    return folder


def remove_leftovers(target: Path) -> None:
    """Remove what interrupted attempts to write `target` left beside it."""
    for leftover in target.parent.glob(f"{target.name}.tmp-*"):
        shutil.rmtree(leftover)


def sweep(folder: Path) -> None:
    """Remove whatever interrupted writes left directly in `folder`. Nobody else may be writing there."""
    for leftover in folder.glob("*.tmp-*"):
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()


def write_manifest(folder: Path, about: Manifest | None = None) -> Manifest:
    """Hash and sync every file of `folder`, then write and sync its manifest. Raises OSError."""
    files: dict[str, FileRecord] = {}
    for path in _walk(folder):
        name = path.relative_to(folder).as_posix()
        if name != MANIFEST:
            with path.open("rb") as file:
                os.fsync(file.fileno())
            files[name] = FileRecord(bytes=path.stat().st_size, sha256=sha256_of(path))
    manifest = (about or Manifest()).model_copy(update={"files": files, "sha256": _content_hash(files)})
    write_durably(folder / MANIFEST, manifest.model_dump_json(by_alias=True, indent=2).encode() + b"\n")
    for child in sorted(p for p in folder.rglob("*") if p.is_dir()):
        sync_folder(child)
    sync_folder(folder)
    return manifest


def publish(folder: Path, target: Path) -> None:
    """Give a folder that has its manifest the name `target`; what stood there goes. Raises OSError."""
    if target.exists():
        old = target.parent / f"{target.name}.tmp-old-{secrets.token_hex(4)}"
        target.replace(old)
        try:
            folder.replace(target)
        except OSError:
            old.replace(target)
            raise
        shutil.rmtree(old)
    else:
        folder.replace(target)
    sync_folder(target.parent)


def verify(folder: Path) -> Verification:
    """Whether every file of `folder` is what its manifest says, and nothing else lies there. Never raises."""
    try:
        manifest = read_manifest(folder)
        if isinstance(manifest, str):
            return Verification(file=MANIFEST, reason=manifest)
        for path in _walk(folder):
            name = path.relative_to(folder).as_posix()
            if name != MANIFEST and name not in manifest.files:
                return Verification(manifest, name, "is not in the manifest")
        for name, record in manifest.files.items():
            reason = _difference(folder, name, record)
            if reason:
                return Verification(manifest, name, reason)
    except OSError as error:
        return Verification(file=Path(error.filename or folder).name, reason=error.strerror or str(error))
    if _content_hash(manifest.files) != manifest.sha256:
        return Verification(manifest, MANIFEST, "its own hash does not fit its files")
    return Verification(manifest)


def read_manifest(folder: Path) -> Manifest | str:
    """The manifest, unverified, or a reason why there is none. Raises OSError for an unreadable file."""
    path = folder / MANIFEST
    if not path.is_file() or path.is_symlink():
        return "is missing"
    if path.stat().st_size > _MAX_MANIFEST:
        return "is too large"
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError:
        return "is damaged"


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's contents, hexadecimal."""
    digest, buffer = hashlib.sha256(), memoryview(bytearray(HASHED_AT_ONCE))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
    return digest.hexdigest()


def write_durably(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: beside it, synced, renamed. Raises OSError."""
    beside = path.with_name(f"{path.name}.tmp-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _walk(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_symlink() or not p.is_dir())


def _difference(folder: Path, name: str, record: FileRecord) -> str:
    path = folder / name
    if path.is_symlink() or not path.resolve().is_relative_to(folder.resolve()):
        return "leads outside the folder"
    if not path.is_file():
        return "is missing"
    size = path.stat().st_size
    if size != record.bytes:
        return f"has {size} bytes instead of {record.bytes}"
    return "" if sha256_of(path) == record.sha256 else "has other contents than when it was written"


def _content_hash(files: dict[str, FileRecord]) -> str:
    lines = "".join(f"{files[name].sha256} {name}\n" for name in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()
