"""Collects what is known of a data set while its rows pass by once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from advisor.domain.errors import AdvisorError
from advisor.domain.json_names import named
from advisor.domain.profiles import BadRow, DataProfile
from advisor.domain.row_files import Unreadable, is_marked_held_out
from advisor.domain.row_shapes import KNOWN, lowered
from advisor.domain.words import DataKind
from advisor.probe.data_checks import Languages, Seen, has_secret
from advisor.probe.data_files import Position, rows_of
from advisor.probe.data_findings import findings_of
from advisor.probe.data_lengths import Lengths
from advisor.probe.data_shape import SHAPES, Shape, parts_of, recognise
from advisor.probe.data_turns import BadShape, Parts
from advisor.probe.untrusted import printable

SHOWN = 5
_Placed = tuple[int, Any, int]
"""Line, row, and how many bytes of the file end with it."""
FIRST_ROWS, FIRST_BYTES = 200, 2**20
"""The shape is that of most of the first rows."""


class Reading:
    """Feed files with `read`, then ask for the `profile`."""

    def __init__(self, tokenizer_folder: Path | None, finds_leaks: bool, kind: DataKind | None = None) -> None:
        self.shape: Shape | None = None
        self._kind = kind
        self.bytes_read = 0
        """Bytes of the files that the rows read so far stand for."""
        self._lengths = Lengths(tokenizer_folder)
        self._languages = Languages()
        self._rows = self._bad = self._empty = self._equal = self._secrets = 0
        self._shown: list[BadRow] = []
        self._first_secret = ""
        self._seen, self._asked, self._held_out = Seen(), Seen(), Seen()
        self._finds_leaks = finds_leaks
        self._splits: Counter[str] = Counter()

    def read(self, file: Path, position: Position, most_bytes: int | None, *, is_held_out: bool, several: bool) -> None:
        """Every row of a file, or those that begin within `most_bytes`."""
        name = printable(file.name) if several else ""
        size = file.stat().st_size
        rows = ((line, row, position.done) for line, row in rows_of(file, position))
        for line, row, done in rows if self.shape is not None else self._begun(rows, file):
            self._take(line, row, name, is_held_out)
            if most_bytes is not None and most_bytes <= done < size:
                self.bytes_read += done
                return
        self.bytes_read += size

    def _begun(self, rows: Iterator[_Placed], file: Path) -> Iterator[_Placed]:
        """All rows, once the first of them have told the shape. Raises `AdvisorError` when they have none."""
        first: list[_Placed] = []
        names: Counter[str] = Counter()
        for line, row, done in rows:
            first.append((line, row, done))
            found = None if isinstance(row, Unreadable) else recognise(row)
            names[found.name if found else ""] += 1
            self._finds_leaks = self._finds_leaks or _split_of(row) is not None
            if len(first) >= FIRST_ROWS or done >= FIRST_BYTES:
                break
        del names[""]
        if not names:
            raise _no_shape(first, file)
        self.shape = SHAPES[names.most_common(1)[0][0]]
        if self.shape.name == "scored" and self._kind in (None, DataKind.REWARDS):
            raise _scored(first, file)
        yield from first
        yield from rows

    def _take(self, line: int, row: Any, file: str, is_held_out: bool) -> None:
        if isinstance(row, Unreadable):
            return self._refuse(line, row.reason, file)
        assert self.shape is not None
        try:
            parts = parts_of(row, self.shape)
            text = "\n".join((parts.asked, *parts.answers))
            text.isascii() or text.encode("utf-8")
        except BadShape as error:
            return self._refuse(line, f"does not fit the shape {self.shape.name}: {error}", file)
        except UnicodeEncodeError:
            return self._refuse(line, "not UTF-8, or half of a surrogate pair", file)
        is_beside, split = is_held_out, _split_of(row)
        if is_beside:
            self._splits["held-out"] += 1
        elif split is not None:
            self._splits[printable(split, 40)] += 1
            is_held_out = is_marked_held_out(row)
        if self._finds_leaks:
            (self._held_out if is_held_out else self._asked).add(parts.asked or text)
        if is_beside:
            return None
        self._rows += 1
        self._check(parts, text, f"{file}:{line}" if file else f"line {line}")
        return None

    def _refuse(self, line: int, reason: str, file: str) -> None:
        self._bad += 1
        if len(self._shown) < SHOWN:
            self._shown.append(BadRow(line=line, reason=printable(reason), file=file))

    def _check(self, parts: Parts, text: str, place: str) -> None:
        self._lengths.add(text)
        self._languages.add(text)
        if not any(answer.strip() for answer in parts.answers):
            self._empty += 1
        else:
            self._seen.add(text)
        if self.shape is SHAPES["preferences"] and parts.answers[0].strip() == parts.answers[1].strip():
            self._equal += 1
        if has_secret(text):
            self._secrets += 1
            self._first_secret = self._first_secret or place

    def profile(self, path: str, file_format: str, size: int, factor: float) -> DataProfile:
        """The whole. `factor`: how many times as many rows there are as were read. Raises when no row is usable."""
        if self.shape is None or not self._rows:
            first = self._shown[0] if self._shown else None
            why = f"line {first.line}: {first.reason}" if first else "it has no rows"
            raise AdvisorError(f"{printable(path)} has no usable row", why=why, hint="see advisor inspect --help")
        tokens, total, is_exact = self._lengths.finish()
        is_estimated = factor > 1
        known = DataProfile(
            path=path,
            shape=self.shape.name,
            kind=self.shape.kind,
            rows=round(self._rows * factor),
            bad_rows=tuple(self._shown),
            bad_row_count=self._bad,
            tokens=tokens,
            tokens_total=round(total * factor),
            tokens_exact=is_exact and not is_estimated,
            is_estimated=is_estimated,
            bytes=size,
            splits=dict(sorted(self._splits.items())),
            empty_rows=self._empty,
            equal_preferences=self._equal,
            leaked_rows=self._asked.common(self._held_out) if self._finds_leaks else 0,
            secret_rows=self._secrets,
            languages=self._languages.dominant(),
            duplicates=self._seen.repeated,
            file_format=file_format,
            suggested=self.shape.suggested,
        )
        return known.model_copy(update={"findings": findings_of(known, self._first_secret, self._seen.every > 1)})


def _split_of(row: Any) -> str | None:
    """What the row itself says of where it belongs; None when it says nothing. Its keys may be in capitals."""
    split = lowered(row).get("split") if isinstance(row, dict) else None
    return split if isinstance(split, str) else None


def _no_shape(first: list[_Placed], file: Path) -> AdvisorError:
    """Why the first rows have no known shape: nothing parsed, or keys that nobody knows."""
    if not first:
        return AdvisorError(f"{file} has no rows", hint="a data set needs at least one row")
    for line, row, _ in first:
        if isinstance(row, dict):
            keys = ", ".join(printable(str(key), 40) for key in list(row)[:8]) or "none"
            return AdvisorError(
                f"{file}:{line}: no known shape of data",
                why=f"its keys are {keys}",
                hint=f"rename them to those of a known shape: {KNOWN}",
            )
    line, row, _ = first[0]
    reason = row.reason if isinstance(row, Unreadable) else f"it is {named(row)}, not an object"
    return AdvisorError(f"{file}:{line}: {printable(reason)}", why=f"none of the first {len(first)} rows can be used")


def _scored(first: list[_Placed], file: Path) -> AdvisorError:
    """Why answers with numbers are no data by themselves: a bad answer would be learnt like a good one."""
    line = next(line for line, row, _ in first if recognise(row) is SHAPES["scored"])
    return AdvisorError(
        f"{file}:{line}: answers with a score are no shape of data that is learnt from",
        why="an answer with a score may be a bad one, and no technique here learns from scores",
        hint="say of each answer whether it is good (prompt, completion, label: true or false; for kto), pair a better "
        "with a worse one (prompt, chosen, rejected; for dpo), or give right answers and how to check them (prompt, "
        "answer, check; for grpo); to imitate all of them whatever their score, say kind: instructions",
    )
