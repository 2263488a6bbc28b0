"""`advisor inspect`: what a data set holds - shape, rows, token lengths, defects. It changes nothing."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from advisor.domain.profiles import BadRow, DataProfile

SUMMARY = "format, rows, token lengths, defects of a data set, and the techniques it calls for"
BAR = 30


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="DATA", help="a file, a folder, or builtin:stdlib")
    parser.add_argument("--model", metavar="ID", help="count tokens with the tokenizer of this local or built-in model")
    parser.add_argument(
        "--bad-rows", choices=("report", "fail"), default="report", help="fail: exit 2 when any row cannot be used"
    )
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace) -> int:
    from advisor.cli.output import write, write_json
    from advisor.domain.errors import ExitCode
    from advisor.probe.data import probe_data

    folder = tokenizer_folder(args.model) if args.model else None
    bar = progress_bar() if sys.stderr.isatty() else None
    profile = probe_data(args.data, folder, bar)
    if args.json:
        write_json(as_json(profile))
    else:
        write(as_text(profile))
    return ExitCode.BAD_INPUT if profile.bad_row_count and args.bad_rows == "fail" else ExitCode.DONE


def tokenizer_folder(model: str) -> Path:
    """The folder with the model's tokenizer. Raises `AdvisorError` when it is not on this machine."""
    from platformdirs import user_cache_path

    from advisor.domain.errors import AdvisorError

    if model.startswith("builtin:"):
        models = user_cache_path("technique-advisor", appauthor=False) / "models"
        found = sorted(models.glob(f"{model.removeprefix('builtin:')}-*/tokenizer.json"))
        if found:
            return found[-1].parent
        raise AdvisorError(
            f"{model} is not in the cache yet", hint="the first run imports it; without --model lengths are estimated"
        )
    folder = Path(model).expanduser()
    if not folder.is_dir():
        raise AdvisorError(
            f"{model} is not a folder on this machine", hint="nothing is fetched here; leave --model out"
        )
    return folder


def progress_bar() -> Callable[[int, int], None]:
    """Draws one line on stderr and clears it at the end."""

    def draw(done: int, total: int) -> None:
        share = done / max(1, total)
        filled = "#" * int(BAR * share)
        sys.stderr.write(f"\r[{filled:<{BAR}}] {share:4.0%} of {total / 2**20:.0f} MiB")
        if done >= total:
            sys.stderr.write("\r" + " " * (BAR + 30) + "\r")
        sys.stderr.flush()

    return draw


def as_json(profile: DataProfile) -> dict[str, Any]:
    """The contract's shape; the same data gives the same bytes."""
    return {
        "schema": 1,
        "path": profile.path,
        "format": profile.file_format,
        "shape": profile.shape,
        "kind": profile.kind.value,
        "rows": profile.rows,
        "bad_rows": [_bad_json(row) for row in profile.bad_rows],
        "bad_row_count": profile.bad_row_count,
        "tokens": None if profile.tokens is None else profile.tokens.model_dump(),
        "tokens_total": profile.tokens_total,
        "tokens_exact": profile.tokens_exact,
        "is_estimated": profile.is_estimated,
        "bytes": profile.bytes,
        "splits": profile.splits,
        "duplicates": profile.duplicates,
        "empty_rows": profile.empty_rows,
        "equal_preferences": profile.equal_preferences,
        "leaked_rows": profile.leaked_rows,
        "secret_rows": profile.secret_rows,
        "languages": list(profile.languages),
        "findings": list(profile.findings),
        "suggested": list(profile.suggested),
    }


def _bad_json(row: BadRow) -> dict[str, Any]:
    place: dict[str, Any] = {"file": row.file} if row.file else {}
    return {**place, "line": row.line, "reason": row.reason}


def as_text(profile: DataProfile) -> str:
    from advisor.probe.untrusted import printable

    about = "about " if profile.is_estimated else ""
    lines = [
        f"Data    {printable(profile.path)} ({profile.file_format})",
        f"Shape   {profile.shape}: data of the kind {profile.kind.value}",
        f"Rows    {about}{profile.rows}" + (f", and {profile.bad_row_count} unusable" if profile.bad_row_count else ""),
    ]
    if profile.tokens is not None:
        how = "counted by the tokenizer" if profile.tokens_exact else "estimated"
        t = profile.tokens
        lines.append(f"Tokens  p50 {t.p50}, p95 {t.p95}, longest {t.max}, in all {profile.tokens_total} ({how})")
    if profile.splits:
        lines.append("Splits  " + ", ".join(f"{name} {rows}" for name, rows in profile.splits.items()))
    if profile.languages:
        lines.append(f"Looks   {', '.join(profile.languages)}")
    lines += [f"  ! {finding}" for finding in profile.findings]
    name = printable(Path(profile.path).name)
    lines += [f"    {row.file or name}:{row.line}: {row.reason}" for row in profile.bad_rows]
    if profile.bad_row_count > len(profile.bad_rows):
        lines.append(f"    and {profile.bad_row_count - len(profile.bad_rows)} more")
    lines.append(f"For     {', '.join(profile.suggested)}  (advisor techniques ID tells more)")
    return "\n".join(lines) + "\n"
