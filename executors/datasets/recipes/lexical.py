"""Looks passages up by the words they share with a question. Pure, in memory, for collections of a few 10,000 chunks.

Rare words count more: each shared word adds its inverse document frequency (Sparck Jones 1972), divided by the square
root of the passage's length.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

COMMON, MOST = 0.1, 150
"""Words in more than this share of the passages, or in more than so many, tell nothing and would cost the most."""
_WORD = re.compile(r"\w+")
_BREAK = re.compile(r"\n\s*\n|(?<=[.!?])\s+")


def words_of(text: str) -> list[str]:
    """Lower-case words; names with underscores count whole."""
    return _WORD.findall(text.lower())


def chunked(text: str, characters: int) -> list[str]:
    """Pieces of at most `characters`, cut at paragraphs and sentences where possible."""
    pieces: list[str] = []
    held = ""
    for part in _BREAK.split(text):
        while len(part) > characters:
            cut = part.rfind(" ", 1, characters) if " " in part[1:characters] else characters
            pieces += [piece for piece in (held, part[:cut]) if piece]
            held, part = "", part[cut:].strip()
        if held and len(held) + len(part) + 1 > characters:
            pieces.append(held)
            held = ""
        held = f"{held} {part}" if held else part
    return [piece for piece in (*pieces, held) if piece.strip()]


class Index:
    """Passages by their words."""

    def __init__(self, passages: Sequence[str]) -> None:
        self.passages = list(passages)
        self._places: defaultdict[str, list[int]] = defaultdict(list)
        self._norms: list[float] = []
        for number, passage in enumerate(self.passages):
            found = set(words_of(passage))
            self._norms.append(math.sqrt(max(1, len(found))))
            for word in found:
                self._places[word].append(number)

    def ranked(self, text: str, count: int) -> list[int]:
        """The `count` passages that fit best, the best first; fewer when fewer share a telling word."""
        scores: Counter[int] = Counter()
        limit = max(2.0, min(MOST, COMMON * len(self.passages)))
        for word in set(words_of(text)):
            places = self._places.get(word, [])
            if len(places) <= limit:
                weight = math.log(1 + len(self.passages) / max(1, len(places)))
                for number in places:
                    scores[number] += weight  # type: ignore[assignment]
        order = sorted(scores, key=lambda number: (-scores[number] / self._norms[number], number))
        return order[:count]

    def rarest(self, text: str) -> str:
        """The word of `text` in the fewest passages, among those of four letters or more; empty if there is none."""
        found = [word for word in _WORD.findall(text) if len(word) > 3 and not word.isdigit()]
        return min(found, key=lambda word: (len(self._places.get(word.lower(), [])), word), default="")
