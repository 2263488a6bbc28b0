"""data-quality: fewer, better rows. Drops repetitions, near repetitions, leaks of the held-out side, odd lengths.

Zhou et al. 2023, LIMA: Less Is More for Alignment; Lee et al. 2022, Deduplicating Training Data Makes Language Models
Better. What a rule cannot see, such as whether an answer is true, stays a person's work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from executors.data.language import is_other
from executors.data.near import Neighbours
from executors.data.records import answer_of, text_of
from executors.data.writing import DataConfig, check, sides, write_sides
from executors.datasets.rows import Record, hashed
from executors.protocol import Inputs, Say

REQUIRES = ("numpy",)
REASONS = ("duplicate", "near_duplicate", "too_short", "too_long", "other_language", "leak")
SHOWN = 3
EVERY = 200


class Config(DataConfig):
    """Settings of one cleaning."""

    similarity: float = Field(default=0.8, gt=0, le=1)
    """Rows that share this much of their runs of four words are near duplicates; 1: only equal ones."""
    min_characters: int = Field(default=2, ge=0)
    """Shortest answer, or text, that is kept."""
    max_characters: int | None = Field(default=None, ge=1)
    language: str | None = None
    """Rows that are clearly in another language are dropped; by code or name."""


preflight = check


def run(config: Config, inputs: Inputs, out: Path, say: Say) -> None:
    """Write the rows worth keeping. Raises AdvisorError when none is left."""
    train, held_out = sides(config)
    kept, dropped = clean(train, held_out, config, say)
    counts = Counter(reason for reason, _ in dropped)
    shown = {r: [text_of(row)[:200] for reason, row in dropped if reason == r][:SHOWN] for r in REASONS if counts[r]}
    report = {"rows_before": len(train), "rows_after": len(kept), **{r: counts[r] for r in REASONS}, "dropped": shown}
    said = ", ".join(f"{counts[r]} {r.replace('_', ' ')}" for r in REASONS if counts[r]) or "nothing"
    say.log(f"{len(train)} rows, {len(kept)} kept; dropped: {said}")
    write_sides(out, kept, held_out, report, say)


def clean(
    train: Sequence[Record], held_out: Sequence[Record], config: Config, say: Say
) -> tuple[list[Record], list[tuple[str, Record]]]:
    """The rows that are kept, in their order, and the others with the reason."""
    kept: list[Record] = []
    dropped: list[tuple[str, Record]] = []
    asked = {hashed(row.key) for row in held_out}
    told, near_held_out = Neighbours(config.similarity), Neighbours(config.similarity)
    for row in held_out:
        near_held_out.add(text_of(row))
    seen: set[int] = set()
    for number, row in enumerate(train):
        if number % EVERY == 0:
            say.progress(number, len(train), "rows", "cleaning")
        text = text_of(row)
        own = hashed(" ".join(text.lower().split()))
        reason = _reason(row, config) or ("duplicate" if own in seen else "")
        if not reason and (hashed(row.key) in asked or near_held_out.find(text) is not None):
            reason = "leak"
        if not reason and config.similarity < 1 and told.find(text) is not None:
            reason = "near_duplicate"
        if reason:
            dropped.append((reason, row))
            continue
        seen.add(own)
        told.add(text)
        kept.append(row)
    return kept, dropped


def _reason(row: Record, config: Config) -> str:
    answer = answer_of(row).strip()
    if len(answer) < config.min_characters:
        return "too_short"
    if config.max_characters is not None and len(text_of(row)) > config.max_characters:
        return "too_long"
    return "other_language" if config.language and is_other(text_of(row), config.language) else ""
