"""A data set as a `DataProfile`: shape, rows, token lengths, defects, and the techniques it calls for.

Files are streamed: memory stays bounded however large they are. Nothing is changed, unpacked or fetched, and no text of
a row is passed on, only counts, places and reasons.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from advisor.domain.errors import AdvisorError
from advisor.domain.profiles import DataProfile, TokenLengths
from advisor.domain.words import DataKind
from advisor.probe.data_shape import SHAPES

if TYPE_CHECKING:
    from advisor.probe.data_reading import Reading
    from advisor.probe.data_sources import Sources

BUILTIN = "builtin:stdlib"
QUICK_BYTES = 64 * 2**10
"""How much of each file a quick look reads."""
BUILTIN_ROWS = {
    DataKind.INSTRUCTIONS: ("messages", 7122, 204219, 26, 53, 121),
    DataKind.DOCUMENTS: ("documents", 172, 245164, 825, 4525, 14475),
    DataKind.TEXT: ("text", 3838, 242620, 36, 196, 1528),
    DataKind.PREFERENCES: ("preferences", 3838, 192728, 43, 100, 190),
    DataKind.QA_PAIRS: ("qa-pairs", 6764, 226031, 30, 66, 125),
    DataKind.TOOL_CALLS: ("tool-calls", 928, 146053, 155, 190, 257),
    DataKind.FEEDBACK: ("feedback", 7676, 248287, 28, 67, 121),
    DataKind.REWARDS: ("rewards", 1159, 45961, 38, 54, 129),
    DataKind.PARALLEL: ("parallel", 3838, 352667, 90, 109, 130),
}
"""Kind -> shape, training rows, tokens in all, p50, p95, longest. Measured with CPython 3.11 (four bytes to a token);
another Python's library differs by a few percent, so profiles made of these are marked as estimated."""
REFERENCE = "builtin:reference"
REFERENCE_ROWS = {
    DataKind.TEXT: ("text", 219, 67421, 335, 375, 1307),
    DataKind.DOCUMENTS: ("documents", 54, 67634, 363, 5663, 9276),
}
"""The same of the language reference."""
Progress = Callable[[int, int], None]
"""Called about once per mebibyte with the bytes read and the bytes there are."""


def probe_data(
    path: str | Path,
    tokenizer_folder: Path | None = None,
    progress: Progress | None = None,
    *,
    quick: bool = False,
    kind: DataKind | None = None,
) -> DataProfile:
    """What a data file, a folder, or `builtin:stdlib` holds.

    `tokenizer_folder`: a folder with `tokenizer.json`, to count tokens instead of estimating them from bytes.
    `quick`: only the beginning of each file is read; rows and totals are then estimated from its size.
    `kind`: which kind of the built-in data is meant (it can be made as several); for files, what their rows are to be
    learnt as, which matters for answers with a score alone.

    Raises `AdvisorError` (exit 2): nothing there, no rows, no usable row, no known shape, a format not read here.
    """
    if str(path) == BUILTIN:
        return _builtin(BUILTIN, BUILTIN_ROWS, kind or DataKind.INSTRUCTIONS)
    if str(path) == REFERENCE:
        return _builtin(REFERENCE, REFERENCE_ROWS, kind or DataKind.TEXT)
    # What reads files is loaded only where there are some.
    from advisor.probe.data_files import format_of
    from advisor.probe.data_reading import Reading
    from advisor.probe.data_sources import find_sources
    from advisor.probe.documents import probe_documents

    place = Path(path).expanduser()
    if not place.exists():
        raise AdvisorError(f"there is no data at {path}", hint=f"check the path, or use {BUILTIN}")
    if not place.is_dir() and not place.is_file():
        raise AdvisorError(f"{path} is neither a file nor a folder", hint="pipes and devices are not read")
    sources = find_sources(place)
    if sources.documents:
        return probe_documents(str(path), sources.documents, tokenizer_folder, progress, quick=quick)
    if sum(file.stat().st_size for file in sources.train) == 0:
        raise AdvisorError(f"{path} is empty", hint="a data set needs at least one row")
    reading = Reading(tokenizer_folder, finds_leaks=bool(sources.held_out), kind=kind)
    estimated = _read(reading, sources, progress, quick)
    return reading.profile(str(path), format_of(sources.train[0]), sources.bytes, estimated)


def _read(reading: Reading, sources: Sources, progress: Progress | None, quick: bool) -> float:
    """Feed every file to `reading`. Returns how many times as many rows there are as were read (1.0: all were)."""
    from advisor.probe.data_files import Position

    before = 0
    for file, is_held_out in sources.files(only_train=quick):
        position = Position(_teller(progress, before, sources.bytes))
        reading.read(file, position, QUICK_BYTES if quick else None, is_held_out=is_held_out, several=sources.several)
        before += file.stat().st_size
        if progress is not None:
            progress(before, sources.bytes)
    return before / reading.bytes_read if reading.bytes_read else 1.0


def _teller(progress: Progress | None, before: int, total: int) -> Callable[[int], None] | None:
    return None if progress is None else lambda done: progress(before + done, total)


def _builtin(name: str, known: Mapping[DataKind, tuple[str, int, int, int, int, int]], kind: DataKind) -> DataProfile:
    """The built-in data, as measured once: making it takes longer than advice may."""
    if kind not in known:
        raise AdvisorError(f"{name} has no data of kind {kind}", hint=f"it has {', '.join(known)}")
    shape, rows, total, p50, p95, longest = known[kind]
    return DataProfile(
        path=name,
        shape=shape,
        kind=kind,
        rows=rows,
        tokens=TokenLengths(p50=p50, p95=p95, max=longest),
        tokens_total=total,
        is_estimated=True,
        languages=("English",),
        file_format="builtin",
        suggested=SHAPES[shape].suggested,
    )
