"""What reading gives: a document, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Source:
    """A file (or a part of the built-in data) that may hold a document. `name`: its path below the folder given."""

    name: str
    path: Path | None
    sha256: str
    """Of the bytes: the same hash means the same document."""
    date: str = ""
    """ISO date: in the name if one stands there, else when the file was last changed; empty when unknown."""


@dataclass(frozen=True, slots=True)
class Document:
    """The text of one source, without control characters. `notes`: what was left out of it."""

    source: str
    title: str
    text: str
    sha256: str = ""
    date: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Skipped:
    """A source that gave no document, or a part of one that was left out."""

    source: str
    reason: str
