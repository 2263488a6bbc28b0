"""Which examples to show: vectors of weighted words, the nearest to a question, or the most different from one another.

Term weights as Salton and Buckley 1988 (tf-idf, cosine). Plain Python: a few hundred examples, no model.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

_WORD = re.compile(r"[A-Za-z0-9]+")
Vector = dict[str, float]


def words(text: str) -> list[str]:
    """Lower-case words; names are split at dots, underscores and changes of case."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    return [word.lower() for word in _WORD.findall(spaced)]


class Vectors:
    """Texts as unit vectors of their words, weighted by how rare a word is among them."""

    def __init__(self, texts: Sequence[str]) -> None:
        counted = [Counter(words(text)) for text in texts]
        seen = Counter(word for counts in counted for word in counts)
        self._rarity = {word: math.log((1 + len(texts)) / (1 + n)) + 1 for word, n in seen.items()}
        self._unseen = math.log(1 + len(texts)) + 1
        self._all = [self._unit(counts) for counts in counted]

    def nearest(self, text: str, count: int) -> list[int]:
        """The `count` texts most like `text`, the most similar first; ties by their order."""
        asked = self._unit(Counter(words(text)))
        scores = [cosine(asked, vector) for vector in self._all]
        return sorted(range(len(scores)), key=lambda n: (-scores[n], n))[:count]

    def diverse(self, count: int) -> list[int]:
        """`count` texts far from one another: first the most central, then always the one farthest from those taken."""
        if not self._all:
            return []
        centre: Vector = {}
        for vector in self._all:
            for word, weight in vector.items():
                centre[word] = centre.get(word, 0.0) + weight
        first = max(range(len(self._all)), key=lambda n: (cosine(centre, self._all[n]), -n))
        taken = [first]
        nearest = [cosine(vector, self._all[first]) for vector in self._all]
        while len(taken) < min(count, len(self._all)):
            rest = [n for n in range(len(self._all)) if n not in taken]
            chosen = min(rest, key=lambda n: (nearest[n], n))
            taken.append(chosen)
            nearest = [max(old, cosine(v, self._all[chosen])) for old, v in zip(nearest, self._all, strict=True)]
        return taken

    def _unit(self, counts: Counter[str]) -> Vector:
        raw = {word: (1 + math.log(n)) * self._rarity.get(word, self._unseen) for word, n in counts.items()}
        length = math.sqrt(sum(weight * weight for weight in raw.values())) or 1.0
        return {word: weight / length for word, weight in raw.items()}


def cosine(first: Vector, second: Vector) -> float:
    """Sum over shared words; the cosine for vectors of length 1."""
    small, large = (first, second) if len(first) < len(second) else (second, first)
    return sum(weight * large.get(word, 0.0) for word, weight in small.items())
