"""A folder of documents as a `DataProfile`: one row per file. Texts are read; PDF and office files are only counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from advisor.domain.errors import AdvisorError
from advisor.domain.profiles import BadRow, DataProfile
from advisor.probe.data_checks import Languages, Seen, has_secret
from advisor.probe.data_findings import findings_of
from advisor.probe.data_lengths import Lengths
from advisor.probe.data_shape import SHAPES
from advisor.probe.untrusted import printable

UNREAD = (".pdf", ".doc", ".docx", ".odt", ".ppt", ".pptx", ".xls", ".xlsx", ".epub", ".rtf")
LARGEST = 32 * 2**20
"""Bytes of one document that are read."""
QUICK_FILES, QUICK_BYTES = 64, 2**20
"""A quick look ends with whichever comes first."""


class _Documents:
    """What the documents read so far have in common."""

    def __init__(self, tokenizer_folder: Path | None) -> None:
        self.lengths, self.languages, self.seen = Lengths(tokenizer_folder), Languages(), Seen()
        self.read = self.empty = self.secrets = 0
        self.first_secret = ""
        self.bad: list[BadRow] = []
        self.unread: Counter[str] = Counter()

    def take(self, file: Path) -> None:
        if file.suffix.lower() in UNREAD:
            self.unread[file.suffix.lower()] += 1
            return
        name = printable(file.name)
        try:
            with file.open("rb") as opened:
                raw = opened.read(LARGEST)
            text = raw.decode("utf-8-sig", errors="strict" if len(raw) < LARGEST else "ignore")
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            self.bad.append(BadRow(line=line, reason="not UTF-8 text", file=name))
            return
        except OSError as error:
            self.bad.append(BadRow(line=1, reason=error.strerror or "cannot be read", file=name))
            return
        self.read += 1
        self.lengths.add(text)
        self.languages.add(text)
        if not text.strip():
            self.empty += 1
        else:
            self.seen.add(text)
        if has_secret(text):
            self.secrets += 1
            self.first_secret = self.first_secret or name


def probe_documents(
    path: str,
    files: Sequence[Path],
    tokenizer_folder: Path | None,
    progress: Callable[[int, int], None] | None,
    *,
    quick: bool,
) -> DataProfile:
    """The profile of documents. `quick`: the first few are read, the rest is estimated from the number of files."""
    total = sum(file.stat().st_size for file in files)
    chosen = _first(files) if quick else files
    found = _read(chosen, total, tokenizer_folder, progress)
    if not found.read and not found.unread:
        first = found.bad[0]
        raise AdvisorError(f"{printable(path)} has no document that can be read", why=f"{first.file}: {first.reason}")
    tokens, tokens_total, is_exact = found.lengths.finish()
    factor = len(files) / len(chosen)
    shape = SHAPES["documents"]
    known = DataProfile(
        path=path,
        shape=shape.name,
        kind=shape.kind,
        rows=round((found.read + found.unread.total()) * factor),
        bad_rows=tuple(found.bad[:5]),
        bad_row_count=len(found.bad),
        tokens=tokens,
        tokens_total=round(tokens_total * factor) if found.read else None,
        tokens_exact=is_exact and factor == 1 and not found.unread,
        is_estimated=factor > 1,
        bytes=total,
        empty_rows=found.empty,
        secret_rows=found.secrets,
        languages=found.languages.dominant(),
        duplicates=found.seen.repeated,
        file_format="folder",
        suggested=shape.suggested,
    )
    findings = findings_of(known, found.first_secret, found.seen.every > 1)
    return known.model_copy(update={"findings": (*findings, *_unread(found.unread))})


def _unread(counts: Counter[str]) -> tuple[str, ...]:
    """What is said of files that hold text in a form not read here."""
    kinds = ", ".join(f"{number} {suffix}" for suffix, number in sorted(counts.items()))
    return (f"Counted but not read, convert them to text first: {kinds}.",) if kinds else ()


def _read(
    files: Sequence[Path], total: int, tokenizer_folder: Path | None, progress: Callable[[int, int], None] | None
) -> _Documents:
    found, done = _Documents(tokenizer_folder), 0
    for file in files:
        found.take(file)
        done += file.stat().st_size
        if progress is not None:
            progress(done, total)
    return found


def _first(files: Sequence[Path]) -> Sequence[Path]:
    size = 0
    for number, file in enumerate(files[:QUICK_FILES], 1):
        size += file.stat().st_size
        if size >= QUICK_BYTES:
            return files[:number]
    return files[:QUICK_FILES]
