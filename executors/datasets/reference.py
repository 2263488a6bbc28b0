"""`builtin:reference`: the language reference that Python's own help shows, as general text beside `builtin:stdlib`.

Several hundred pages of English prose about the language, from the module behind `help("keywords")`. Nothing is
downloaded. It serves as data that a training on docstrings did not touch.
"""

from __future__ import annotations

import re

from advisor.domain.errors import AdvisorError
from advisor.domain.words import DataKind
from executors.datasets.rows import Record, Text, hashed

NAME = "builtin:reference"
HELD_OUT_SHARE = 6
PIECE = 1500
"""Characters of one text: pages are cut at paragraphs into pieces of about this size."""
_MARKS = re.compile(r"[*=\-^~]{4,}")


def load(kind: DataKind, is_held_out: bool) -> list[Record]:
    """Pages (`documents`) or pieces of them (`text`) on one side of the split, in a fixed random order."""
    if kind not in (DataKind.TEXT, DataKind.DOCUMENTS):
        raise AdvisorError(f"{NAME} has no data of kind {kind}", hint="it has text, documents")
    pages = {name: page for name, page in _pages().items() if _is_held_out(name) == is_held_out}
    texts = [piece for name in pages for piece in ([pages[name]] if kind == DataKind.DOCUMENTS else _cut(pages[name]))]
    return [Text(text) for text in sorted(dict.fromkeys(texts), key=lambda text: hashed(f"order:{text}"))]


def _pages() -> dict[str, str]:
    """The pages without paragraphs that an earlier one has: many quote each other, and nothing may be on both sides."""
    seen: set[str] = set()
    pages: dict[str, str] = {}
    for name, text in sorted(_topics().items()):
        own = [part for part in text.split("\n\n") if " ".join(part.split()) not in seen]
        seen |= {" ".join(part.split()) for part in own}
        if sum(map(len, own)) > 200:
            pages[name] = "\n\n".join(own)
    return pages


def _topics() -> dict[str, str]:
    try:
        from pydoc_data.topics import topics
    except ImportError:
        raise AdvisorError(f"{NAME} is not there", why="this Python comes without its help pages") from None
    return {name: _MARKS.sub("", page).strip() for name, page in topics.items() if len(page) > 200}


def _is_held_out(name: str) -> bool:
    return hashed(f"split:{name}") % HELD_OUT_SHARE == 0


def _cut(page: str) -> list[str]:
    pieces, held = [], ""
    for paragraph in page.split("\n\n"):
        if held and len(held) + len(paragraph) > PIECE:
            pieces.append(held)
            held = ""
        held = f"{held}\n\n{paragraph}" if held else paragraph
    return [piece.strip() for piece in (*pieces, held) if len(piece.strip()) > 80]
