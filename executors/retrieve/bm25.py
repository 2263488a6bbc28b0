"""Keyword search: BM25 with its weights computed while indexing, as flat arrays that are memory-mapped when searched.

Robertson and Zaragoza 2009, The Probabilistic Relevance Framework, section 3, with the idf of Lucene (never negative).
Dotted names, snake_case and camelCase count whole and in their parts: code is searched by both.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

K1, B = 1.2, 0.75
STOP = frozenset(
    """
    a an and are as at be by do does for from has have how i if in into is it its of on or that the their then there
    these they this to was were what when where which who will with you your
    """.split()  # noqa: SIM905 - a block of words reads better than quoted strings
)
_TOKEN = re.compile(r"\w+(?:\.\w+)*")
_PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_a-zA-Z]+")
_LONGEST_TERM = 64


def terms(text: str) -> list[str]:
    """The words of a text as they are searched: lower case, common words left out, plural s taken off."""
    found: list[str] = []
    for token in _TOKEN.findall(text):
        whole = token.lower()
        if whole in STOP:
            continue
        found.append(_stem(whole[:_LONGEST_TERM]))
        if len(whole) == len(token) and token.isalpha() and token == whole:
            continue
        parts = [part.lower() for part in _PART.findall(token)]
        if len(parts) > 1 or (parts and parts[0] != whole):
            found += [_stem(part[:_LONGEST_TERM]) for part in parts if part not in STOP]
        dotted = whole.split(".")
        if len(dotted) > 1:
            found += [part[:_LONGEST_TERM] for part in dotted if "_" in part]
            found.append(".".join(dotted[-2:])[:_LONGEST_TERM])
    return found


def build(texts: Iterable[str], folder: Path) -> int:
    """Write the index of `texts` into `folder`; the number of different terms. Holds 8 bytes for each term of each."""
    import numpy

    vocabulary: dict[str, int] = {}
    term_ids, frequencies, lengths = _Growing("i"), _Growing("i"), _Growing("i")
    distinct = _Growing("i")
    for text in texts:
        counts = Counter(terms(text))
        for term, number in counts.items():
            term_ids.add(vocabulary.setdefault(term, len(vocabulary)))
            frequencies.add(number)
        distinct.add(len(counts))
        lengths.add(sum(counts.values()))
    rows, ids, tf = lengths.array(), term_ids.array(), frequencies.array().astype(numpy.float32)
    count, mean = max(1, len(rows)), max(1.0, float(rows.mean()) if len(rows) else 1.0)
    documents: Any = numpy.repeat(numpy.arange(len(rows), dtype=numpy.int32), distinct.array())
    appears = numpy.bincount(ids, minlength=len(vocabulary))
    idf = numpy.log1p((count - appears + 0.5) / (appears + 0.5)).astype(numpy.float32)
    length = K1 * (1 - B + B * rows.astype(numpy.float32) / mean)
    weights = idf[ids] * tf * (K1 + 1) / (tf + length[documents])
    order = numpy.argsort(ids, kind="stable")
    numpy.save(folder / "bm25-documents.npy", documents[order])
    numpy.save(folder / "bm25-weights.npy", weights[order].astype(numpy.float32))
    numpy.save(folder / "bm25-offsets.npy", numpy.concatenate(([0], numpy.cumsum(appears))).astype(numpy.int64))
    (folder / "bm25-terms.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    return len(vocabulary)


class KeywordIndex:
    """A written index, opened for searching. Raises ValueError or OSError for files that do not fit together."""

    def __init__(self, folder: Path, rows: int) -> None:
        import numpy

        def opened(name: str) -> Any:
            return numpy.load(folder / f"bm25-{name}.npy", mmap_mode="r", allow_pickle=False)

        self._rows = rows
        self._documents, self._weights, self._offsets = opened("documents"), opened("weights"), opened("offsets")
        names = (folder / "bm25-terms.txt").read_text(encoding="utf-8").split("\n")
        self._terms = {name: number for number, name in enumerate(names) if name}
        if len(self._offsets) != len(self._terms) + 1 or len(self._documents) != len(self._weights):
            raise ValueError("the keyword index does not fit together")

    def search(self, query: str, k: int) -> list[tuple[int, float]]:
        """(row, score) of the best `k` rows that hold any word of the query, best first."""
        return best(self.scores(query), k, above=0.0)

    def scores(self, query: str) -> Any:
        """BM25 of every row, float32 of shape (rows,); 0 for rows that hold no word of the query."""
        import numpy

        scores: Any = numpy.zeros(self._rows, dtype=numpy.float32)
        for term, times in Counter(terms(query)).items():
            number = self._terms.get(term)
            if number is not None:
                place = slice(int(self._offsets[number]), int(self._offsets[number + 1]))
                scores[self._documents[place]] += self._weights[place] * math.sqrt(times)
        return scores


def best(scores: Any, k: int, above: float = -math.inf) -> list[tuple[int, float]]:
    """(row, score) of the `k` largest scores above `above`, largest first; rows of one score in their order."""
    import numpy

    chosen = numpy.arange(len(scores))
    if len(scores) > k:
        chosen = numpy.sort(numpy.argpartition(-scores, k - 1)[:k])
    ranked: Sequence[int] = chosen[numpy.argsort(-scores[chosen], kind="stable")]
    return [(int(row), float(scores[row])) for row in ranked if scores[row] > above]


class _Growing:
    """Integers in a compact array."""

    def __init__(self, kind: str) -> None:
        from array import array

        self._values = array(kind)
        self.add = self._values.append

    def array(self) -> Any:
        import numpy

        return numpy.frombuffer(self._values, dtype=numpy.int32) if self._values else numpy.zeros(0, numpy.int32)


def _stem(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
