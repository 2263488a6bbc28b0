"""Token lengths of many rows in bounded memory: counted by the model's tokenizer, else estimated from their bytes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from advisor.domain.errors import AdvisorError
from advisor.domain.profiles import TokenLengths

BYTES_PER_TOKEN = 4.0
"""UTF-8 bytes per token of current byte-pair tokenizers, about, over English, code and Chinese alike."""
COUNTED_BYTES = 32 * 2**20
"""So much text is counted by the tokenizer; the rest is estimated with the ratio found in it."""
BATCH = 256


class Lengths:
    """Collects row lengths. Call `add` per row, then `finish` once."""

    def __init__(self, tokenizer_folder: Path | None = None) -> None:
        self._tokenizer = _load(tokenizer_folder) if tokenizer_folder else None
        self._waiting: list[str] = []
        self._by_length: Counter[int] = Counter()
        self._uncounted: Counter[int] = Counter()
        self._counted_bytes = self._counted_tokens = 0

    def add(self, text: str) -> None:
        """One row's text, without the marks that a chat template adds."""
        size = len(text) if text.isascii() else len(text.encode("utf-8", errors="replace"))
        if self._tokenizer is None or self._counted_bytes >= COUNTED_BYTES:
            self._uncounted[_rounded(size)] += 1
            return
        self._counted_bytes += size
        self._waiting.append(text)
        if len(self._waiting) == BATCH:
            self._count()

    def finish(self) -> tuple[TokenLengths | None, int, bool]:
        """Percentiles (None without rows), the total, and whether every row was counted by the tokenizer."""
        self._count()
        is_exact = not self._uncounted and bool(self._by_length)
        ratio = self._counted_bytes / self._counted_tokens if self._counted_tokens else BYTES_PER_TOKEN
        lengths = self._by_length.copy()
        for size, number in self._uncounted.items():
            lengths[round(size / ratio)] += number
        total = sum(length * number for length, number in lengths.items())
        if not lengths:
            return None, 0, is_exact
        return TokenLengths(p50=_share(lengths, 0.5), p95=_share(lengths, 0.95), max=max(lengths)), total, is_exact

    def _count(self) -> None:
        if not self._waiting or self._tokenizer is None:
            return
        for encoded in self._tokenizer.encode_batch(self._waiting, add_special_tokens=False):
            self._by_length[len(encoded.ids)] += 1
            self._counted_tokens += len(encoded.ids)
        self._waiting = []


def _rounded(size: int) -> int:
    """Three significant digits, so that the table of lengths stays small however many rows there are."""
    unit: int = 10 ** max(0, len(str(size)) - 3)
    return round(size / unit) * unit


def _share(lengths: Counter[int], share: float) -> int:
    """The smallest length that at least this share of the rows does not exceed."""
    wanted, seen = share * lengths.total(), 0
    for length, number in sorted(lengths.items()):
        seen += number
        if seen >= wanted:
            return length
    return max(lengths)


def _load(folder: Path) -> Any:
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise AdvisorError(f"{folder} has no tokenizer.json", hint="leave the model out: lengths are then estimated")
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise AdvisorError(
            "counting tokens needs the package tokenizers",
            hint="pip install 'technique-advisor[run]', or leave the model out",
        ) from None
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception for a file it cannot read
        raise AdvisorError(f"{path} is not a readable tokenizer", why=str(error)[:200]) from error
