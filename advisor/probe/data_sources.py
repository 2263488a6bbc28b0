"""Which files a data path stands for: one file, its held-out companion, a folder's files, a folder of documents."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from advisor.domain.errors import AdvisorError, ExitCode
from advisor.domain.row_files import HELD_OUT, ROW_FILES, companions_of
from advisor.probe.data_files import COMPRESSED, format_of
from advisor.probe.untrusted import printable

MOST_FILES = 200_000


class Sources(NamedTuple):
    train: tuple[Path, ...] = ()
    held_out: tuple[Path, ...] = ()
    documents: tuple[Path, ...] = ()

    @property
    def bytes(self) -> int:
        return sum(file.stat().st_size for file in (*self.train, *self.held_out, *self.documents))

    @property
    def several(self) -> bool:
        return len(self.train) + len(self.held_out) > 1

    def files(self, only_train: bool) -> Iterator[tuple[Path, bool]]:
        """Each file, and whether it is held out."""
        yield from ((file, False) for file in self.train)
        if not only_train:
            yield from ((file, True) for file in self.held_out)


def find_sources(path: Path) -> Sources:
    """The files behind a path that exists. Raises `AdvisorError` when there is nothing to read."""
    if not path.is_dir():
        format_of(path)
        return Sources((path,), _companions(path))
    files = _walk(path)
    if not files:
        raise AdvisorError(f"{path} holds no files", hint="give a data file, or a folder of documents")
    rows = [f for f in files if f.suffix.lower() in ROW_FILES]
    if len(rows) * 2 < len(files):
        return Sources(documents=tuple(f for f in files if f.suffix.lower() not in COMPRESSED))
    held_out = [f for f in rows if _is_held_out(f)]
    train = [f for f in rows if f not in held_out]
    return Sources(tuple(train or held_out), tuple(held_out if train else ()))


def _walk(folder: Path) -> list[Path]:
    """Files below the folder in a fixed order; hidden ones and links to folders are passed over.

    Raises `AdvisorError` (refused for safety) for a link that leads out: a data set may be anybody's.
    """
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(place, name) for name in sorted(names) if not name.startswith(".")]
        if len(found) > MOST_FILES:
            raise AdvisorError(f"{folder} holds more than {MOST_FILES} files", hint="give one of its subfolders")
    for file in found:
        if file.is_symlink() and not file.resolve().is_relative_to(_root(folder)):
            raise AdvisorError(
                f"{printable(str(file))} is a link that leads out of its folder",
                hint="give the folder it leads to, or copy the file",
                code=ExitCode.REFUSED,
            )
    return [file for file in found if file.is_file()]


def _root(folder: Path) -> Path:
    """The folder itself; for a snapshot in a hub cache, whose files are links, the repository's whole cache."""
    resolved = folder.resolve()
    return resolved.parents[1] if resolved.parent.name == "snapshots" else resolved


def _is_held_out(path: Path) -> bool:
    return path.stem.lower().split("-0")[0] in HELD_OUT


def _companions(path: Path) -> tuple[Path, ...]:
    """Files beside `train.*` with the same name but for the word that marks a held-out split."""
    others = [path.with_name(name) for name in companions_of(path.name)]
    return tuple(other for other in others if other.is_file() and not other.is_symlink())
