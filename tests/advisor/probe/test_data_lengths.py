"""`advisor.probe.data_lengths`: counted and estimated lengths."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from advisor.domain.errors import AdvisorError
from advisor.probe import data_lengths
from advisor.probe.data_lengths import Lengths


@pytest.fixture
def tokenizer_folder(tmp_path: Path) -> Path:
    """A tokenizer that makes one token of each word."""
    tokenizers = pytest.importorskip("tokenizers")
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    words.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def finished(lengths: Lengths, texts: list[str]) -> tuple[int, int, int, int, bool]:
    """p50, p95, max, total and exactness after adding the texts."""
    for text in texts:
        lengths.add(text)
    tokens, total, is_exact = lengths.finish()
    assert tokens is not None
    return tokens.p50, tokens.p95, tokens.max, total, is_exact


def test_with_a_tokenizer_lengths_are_counted(tokenizer_folder: Path) -> None:
    """Each row's tokens, over more rows than one batch."""
    texts = ["word " * n for n in range(1, 401)]
    assert finished(Lengths(tokenizer_folder), texts) == (200, 380, 400, 80_200, True)


def test_without_one_they_are_estimated_from_bytes() -> None:
    """Four bytes of UTF-8 to a token, and marked as inexact."""
    assert finished(Lengths(), ["a" * 400, "ü" * 400]) == (100, 200, 200, 300, False)


def test_beyond_the_counted_part_the_measured_ratio_goes_on(
    tokenizer_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the first bytes are counted; the rest follows with their ratio and is marked as inexact."""
    monkeypatch.setattr(data_lengths, "COUNTED_BYTES", 1000)
    p50, _, longest, total, is_exact = finished(Lengths(tokenizer_folder), ["word " * 20] * 100)
    assert (p50, longest, total, is_exact) == (20, 20, 2000, False)


def test_no_rows_have_no_lengths() -> None:
    """Nothing added: None, not zeros."""
    assert Lengths().finish() == (None, 0, False)


@pytest.mark.parametrize("content", [None, "{}", "not json"])
def test_a_tokenizer_that_cannot_be_read_is_one_message(tmp_path: Path, content: str | None) -> None:
    """Missing or broken: an error that names it."""
    if content is not None:
        (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(AdvisorError, match=r"tokenizer"):
        Lengths(tmp_path)


def test_rounded_sizes_stay_within_half_a_percent() -> None:
    """The table of lengths is small because sizes keep three digits."""
    rounded: Callable[[int], int] = data_lengths._rounded
    assert all(abs(rounded(size) - size) <= size * 0.005 for size in (1, 999, 1001, 12_345, 9_876_543))
