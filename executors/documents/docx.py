"""The paragraphs and tables of a DOCX file, headings as Markdown. Own reading of one part of the archive.

Nothing is unpacked; sizes are checked before anything is expanded, and XML with a document type is refused: entities
could grow without bound or name files.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from xml.parsers import expat

LARGEST_PART = 128 * 2**20
_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main|"
_HEADING = re.compile(r"heading\s*([1-6])$", re.IGNORECASE)


def read_docx(path: Path) -> tuple[str, str]:
    """Title and text. Raises ValueError or zipfile.BadZipFile for what is no Word document."""
    with zipfile.ZipFile(path) as archive:
        body = _part(archive, "word/document.xml")
        if body is None:
            raise ValueError("is not a Word document")
        title = _Title()
        properties = _part(archive, "docProps/core.xml")
        if properties is not None:
            _parse(properties, title)
    text = _Body()
    _parse(body, text)
    return "".join(title.parts).strip(), "".join(text.parts)


def _part(archive: zipfile.ZipFile, name: str) -> bytes | None:
    try:
        info = archive.getinfo(name)
    except KeyError:
        return None
    if info.file_size > LARGEST_PART:
        raise ValueError(f"its text expands to {info.file_size / 2**20:,.0f} MiB")
    with archive.open(info) as file:
        found = file.read(LARGEST_PART + 1)
    if len(found) > LARGEST_PART:
        raise ValueError("its text expands without bound")
    return found


class _Title:
    def __init__(self) -> None:
        self.parts: list[str] = []
        self._inside = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._inside = name.endswith("|title")

    def end(self, name: str) -> None:
        self._inside = False

    def text(self, data: str) -> None:
        if self._inside:
            self.parts.append(data)


class _Body:
    def __init__(self) -> None:
        self.parts: list[str] = []
        self._inside = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        word = name.removeprefix(_W)
        if word == "t":
            self._inside = True
        elif word == "pStyle":
            match = _HEADING.match(attributes.get(f"{_W}val", ""))
            self.parts.append("#" * int(match.group(1)) + " " if match else "")
        elif word == "tab":
            self.parts.append("\t")
        elif word in ("br", "cr"):
            self.parts.append("\n")

    def end(self, name: str) -> None:
        word = name.removeprefix(_W)
        if word == "t":
            self._inside = False
        elif word == "p":
            self.parts.append("\n\n")
        elif word == "tc":
            self.parts.append(" | ")

    def text(self, data: str) -> None:
        if self._inside:
            self.parts.append(data)


def _parse(xml: bytes, into: _Title | _Body) -> None:
    parser = expat.ParserCreate(namespace_separator="|")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = into.start, into.end, into.text
    parser.StartDoctypeDeclHandler = _refuse
    parser.Parse(xml, True)


def _refuse(*_: object) -> None:
    raise ValueError("its XML has a document type, which is refused")
