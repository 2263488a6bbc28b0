"""From a path to documents: which files there are, and the document of each. One bad file never ends the reading."""

from __future__ import annotations

import datetime
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from advisor.domain.errors import AdvisorError, ExitCode
from executors.artifact import sha256_of
from executors.documents import builtin
from executors.documents.clean import clean, decode
from executors.documents.document import Document, Skipped, Source

TEXT = (".txt", ".md", ".markdown", ".rst", ".text", ".log", ".tex", ".org", ".adoc", "")
PARSED = (".html", ".htm", ".xhtml", ".pdf", ".docx")
"""Read by a process of its own, since their formats are complicated enough to break a reader."""
LARGEST = {".pdf": 128 * 2**20, ".docx": 64 * 2**20, ".html": 32 * 2**20, ".htm": 32 * 2**20, ".xhtml": 32 * 2**20}
LARGEST_TEXT = 256 * 2**20
MOST_FILES = 200_000
LONGEST_NAME = 1000
QUESTIONS = "questions.jsonl"
"""What is asked of the documents: none of them itself."""
_DATE = re.compile(r"(?<!\d)(\d{4})-(\d{2})-(\d{2})(?!\d)")
_HEADING = re.compile(r"\s{0,3}#{1,6}\s+(.{1,200})")


def read_documents(path: str) -> Iterator[Document | Skipped]:
    """Every document at `path` in a fixed order, and every source that gave none. Raises what `list_sources` raises."""
    from executors.documents.child import Reader

    with Reader() as reader:
        for source in list_sources(path):
            yield source if isinstance(source, Skipped) else read_source(source, reader)


def list_sources(path: str) -> Iterator[Source | Skipped]:
    """The sources at `path`: a file, a folder, or `builtin:stdlib`. Links that lead out of the folder are skipped.

    Raises AdvisorError when nothing is there (exit 2) or the folder holds too many files.
    """
    if path == builtin.NAME:
        yield from builtin.sources()
        return
    root = Path(path).expanduser()
    if root.is_file():
        yield _source(root, root.name)
        return
    if not root.is_dir():
        raise AdvisorError(f"there are no documents at {path}", hint=f"give a file, a folder, or {builtin.NAME}")
    closed: list[Skipped] = []
    for file in _walk(root, closed):
        name = file.relative_to(root).as_posix()
        if name != QUESTIONS:
            reason = _no_file(file, root)
            yield Skipped(_printable(name), reason) if reason else _source(file, name)
    yield from closed


def read_source(source: Source, reader: object) -> Document | Skipped:
    """The document of one source; `reader`: a `documents.child.Reader` for the formats that need one."""
    if source.path is None:
        return builtin.document(source)
    suffix = source.path.suffix.lower()
    try:
        if suffix in PARSED:
            title, text, said = reader.read(source.path)  # type: ignore[attr-defined]
        else:
            title, text, said = _plain(source.path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Skipped(source.name, reason)
    text, notes = clean(text)
    if not text.strip():
        empty = "has no text; scanned pages need text recognition first" if suffix == ".pdf" else "is empty"
        return Skipped(source.name, empty)
    title = clean(title)[0].replace("\n", " ").strip()[:200] or _title(text, source.name)
    return Document(source.name, title, text, source.sha256, source.date, (*said, *notes))


def _plain(path: Path) -> tuple[str, str, tuple[str, ...]]:
    text, encoding = decode(path.read_bytes())
    said = ("is not UTF-8 and was read as Windows-1252",) if encoding == "cp1252" else ()
    return "", text, said


def _title(text: str, name: str) -> str:
    match = _HEADING.match(text)
    return match.group(1).strip(" #") if match else Path(name).stem


def _no_file(file: Path, root: Path) -> str:
    """Why what stands there is no file of the folder; empty when it is one."""
    try:
        if not file.resolve(strict=True).is_relative_to(root.resolve()):
            return "is a link that leads out of the folder"
        return "" if file.is_file() else "is not a file"
    except RuntimeError:
        return "is a link that leads to itself"
    except OSError as error:
        return "is a link that leads nowhere" if file.is_symlink() else error.strerror or "cannot be read"


def _walk(root: Path, closed: list[Skipped]) -> list[Path]:
    """Files below the folder by name; hidden ones are passed over, links to folders are not followed.

    Folders that cannot be listed are added to `closed`.
    """
    found: list[Path] = []

    def skip(error: OSError) -> None:
        name = Path(error.filename or root).relative_to(root).as_posix()
        closed.append(Skipped(_printable(name), f"cannot be listed: {error.strerror}"))

    for place, folders, names in os.walk(root, onerror=skip):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(place, name) for name in sorted(names) if not name.startswith(".")]
        if len(found) > MOST_FILES:
            raise AdvisorError(
                f"{root} holds more than {MOST_FILES} files", hint="give a subfolder", code=ExitCode.BAD_INPUT
            )
    return found


def _source(file: Path, name: str) -> Source | Skipped:
    suffix, shown = file.suffix.lower(), _printable(name)
    if suffix not in TEXT and suffix not in PARSED:
        return Skipped(shown, f"files that end in {_printable(suffix)} are not read")
    try:
        info = file.stat()
        largest = LARGEST.get(suffix, LARGEST_TEXT)
        if info.st_size > largest:
            return Skipped(shown, f"has {info.st_size / 2**20:,.0f} MiB; at most {largest / 2**20:,.0f} are read")
        if info.st_size == 0:
            return Skipped(shown, "is empty")
        digest = sha256_of(file)
    except OSError as error:
        return Skipped(shown, error.strerror or "cannot be read")
    return Source(shown, file, digest, _date(name, info.st_mtime))


def _date(name: str, changed: float) -> str:
    for match in _DATE.finditer(name):
        try:
            return datetime.date(*map(int, match.groups())).isoformat()
        except ValueError:
            continue
    try:
        return datetime.datetime.fromtimestamp(changed, datetime.UTC).date().isoformat()
    except (OverflowError, OSError, ValueError):
        return ""


def _printable(name: str) -> str:
    """A file name without what a terminal would obey, still unlike any other."""
    safe = "".join(c if c.isprintable() and not 0xD800 <= ord(c) <= 0xDFFF else "?" for c in name)
    safe = safe[:LONGEST_NAME]
    return safe if safe == name else f"{safe}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
