"""Documents cut into passages: along headings, paragraphs and sentences, never longer than the embedding model reads.

`by: structure` keeps every section apart and writes its headings above it; `by: length` packs the document from its
start to its end. Pure: what counts tokens is passed in. Linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from advisor.domain.base import Frozen
from executors.documents import Document

Count = Callable[[Sequence[str]], list[int]]
"""Tokens of each text."""
Span = tuple[int, int]
_HEADING = re.compile(r"^[ ]{0,3}(#{1,6})[ \t]+(.{1,200}?)[ \t]*#*$", re.MULTILINE)
_FENCE = re.compile(r"^[ ]{0,3}(```|~~~)", re.MULTILINE)
_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
_SENTENCE = re.compile(r"(?<=[.!?;:])\s+|\n")
_WORDS = re.compile(r"\S+\s*")
_CHARACTERS_PER_TOKEN = 2
"""Words longer than this many characters for each token allowed are cut; few real ones are."""


class Chunking(Frozen):
    """How documents are cut. `size` and what `overlap` is a share of are tokens of the embedding model."""

    by: Literal["structure", "length"] = "structure"
    size: int = Field(default=192, ge=16, le=8192)
    overlap: float = Field(default=0.15, ge=0, le=0.5)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage: its text, the headings it stands under, and where in the document's text it starts."""

    text: str
    heading: str
    start: int

    @property
    def embedded(self) -> str:
        """What is embedded and searched: the headings say what a passage is about."""
        return f"{self.heading}\n{self.text}" if self.heading else self.text


def cut(document: Document, chunking: Chunking, count: Count) -> list[Chunk]:
    """The passages of a document, in its order. Passages under one heading overlap by at most `overlap`."""
    sections = _sections(document.text) if chunking.by == "structure" else [((0, len(document.text)), "")]
    chunks: list[Chunk] = []
    for (start, end), trail in sections:
        heading = trail if trail or chunking.by == "length" else document.title
        room = max(16, chunking.size - (count([heading])[0] if heading else 0))
        pieces = list(_pieces(document.text, (start, end), room, count))
        for first, last in _packed(pieces, room, int(chunking.overlap * room)):
            text = document.text[first:last].strip()
            if text:
                chunks.append(Chunk(text, heading, first))
    return chunks


def _sections(text: str) -> list[tuple[Span, str]]:
    """The text between headings, each with its trail of headings. Lines inside code fences are no headings."""
    fences = [match.start() for match in _FENCE.finditer(text)]
    found: list[tuple[Span, str]] = []
    trail: list[tuple[int, str]] = []
    position, at = 0, 0
    for match in _HEADING.finditer(text):
        while at < len(fences) and fences[at] < match.start():
            at += 1
        if at % 2:
            continue
        found.append(((position, match.start()), " > ".join(title for _, title in trail)))
        level = len(match.group(1))
        trail = [*((depth, title) for depth, title in trail if depth < level), (level, match.group(2))]
        position = match.end()
    found.append(((position, len(text)), " > ".join(title for _, title in trail)))
    return [(span, heading) for span, heading in found if text[span[0] : span[1]].strip()]


def _pieces(text: str, span: Span, room: int, count: Count) -> Iterator[tuple[int, int, int]]:
    """(start, end, tokens) of paragraphs; of sentences, words or parts of words where a larger unit is too long."""
    spans = list(_split(text, span, _PARAGRAPH))
    for part, number in zip(spans, count([text[start:end] for start, end in spans]), strict=True):
        if number <= room:
            yield (*part, number)
        else:
            yield from _sentences(text, part, room, count)


def _sentences(text: str, span: Span, room: int, count: Count) -> Iterator[tuple[int, int, int]]:
    spans = list(_split(text, span, _SENTENCE))
    for part, number in zip(spans, count([text[start:end] for start, end in spans]), strict=True):
        if number <= room:
            yield (*part, number)
        else:
            yield from _words(text, part, room, count)


def _words(text: str, span: Span, room: int, count: Count) -> Iterator[tuple[int, int, int]]:
    longest = room * _CHARACTERS_PER_TOKEN
    spans = []
    for match in _WORDS.finditer(text, *span):
        spans += [(at, min(at + longest, match.end())) for at in range(match.start(), match.end(), longest)]
    for part, number in zip(spans, count([text[start:end] for start, end in spans]), strict=True):
        yield (*part, min(number, room))


def _split(text: str, span: Span, pattern: re.Pattern[str]) -> Iterator[Span]:
    position = span[0]
    for match in pattern.finditer(text, *span):
        if match.start() > position:
            yield position, match.start()
        position = match.end()
    if position < span[1]:
        yield position, span[1]


def _packed(pieces: Sequence[tuple[int, int, int]], room: int, overlap: int) -> Iterator[Span]:
    """Neighbouring pieces together up to `room` tokens; the next passage repeats the last `overlap` of them."""
    first = size = 0
    for number, (_, _, tokens) in enumerate(pieces):
        if size + tokens > room and number > first:
            yield pieces[first][0], pieces[number - 1][1]
            back, kept = number, 0
            while back > first + 1 and kept + pieces[back - 1][2] <= min(overlap, room - tokens):
                back -= 1
                kept += pieces[back][2]
            first, size = back, kept
        size += tokens
    if pieces:
        yield pieces[first][0], pieces[-1][1]
